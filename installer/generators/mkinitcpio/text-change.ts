import type { WrittenHook } from "./read-hooks.ts";
import { endOfLine } from "./shell-tokens.ts";

/** A piece of a text that becomes another. */
export interface TextChange {
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

/** Puts a name after a hook, on a line of its own where that hook has one. */
export function insertAfter(
  text: string,
  { end, place, start }: WrittenHook,
  name: string,
): TextChange {
  if (place === "bare") return insert(end, `\\ ${name}`);
  const indent = place === "list" ? indentOf(text, start) : undefined;
  const lineEnd = endOfLine(text, end);
  const rest = text.slice(end, lineEnd);
  return indent !== undefined &&
    lineEnd < text.length &&
    /^[ \t]*(?:[ \t]#.*)?$/.test(rest)
    ? insert(lineEnd, `\n${indent}${name}`)
    : insert(end, ` ${name}`);
}

/** Takes a hook out; where `insertAfter` has put it, the text is as it was before. */
export function takeOut(
  text: string,
  { start, end, place, blankStart }: WrittenHook,
): TextChange {
  if (place !== "list") {
    const isFirst = blankStart === undefined;
    const follows = isFirst && text.charAt(end) === " " ? 1 : 0;
    return remove(blankStart ?? start, end + follows);
  }
  const lineEnd = endOfLine(text, end);
  if (
    lineEnd < text.length &&
    indentOf(text, start) !== undefined &&
    /^[ \t]*$/.test(text.slice(end, lineEnd))
  ) {
    return remove(text.lastIndexOf("\n", start), lineEnd);
  }
  if (isBlank(text.charAt(start - 1))) return remove(start - 1, end);
  return remove(start, isBlank(text.charAt(end)) ? end + 1 : end);
}

/** The blanks before what stands first on its line; `undefined` where something is before it. */
function indentOf(text: string, start: number): string | undefined {
  const lineStart = text.lastIndexOf("\n", start - 1);
  if (lineStart === -1) return undefined;
  const before = text.slice(lineStart + 1, start);
  return /^[ \t]*$/.test(before) ? before : undefined;
}

function isBlank(character: string): boolean {
  return character === " " || character === "\t";
}

function insert(position: number, replacement: string): TextChange {
  return { start: position, end: position, replacement };
}

function remove(start: number, end: number): TextChange {
  return { start, end, replacement: "" };
}
