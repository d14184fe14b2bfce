import { stripVTControlCharacters } from "node:util";

/** On a narrower terminal an indented word to a line would be worse. */
const MIN_COLUMNS = 30;

/** How far the rest of a line is indented that has no columns. */
const INDENT = 4;

/**
 * Breaks lines between words, where a terminal would break words. The rest of a line is indented as its
 * last column is.
 * @param columns the terminal's width; `undefined` where it is no terminal: nothing is changed
 */
export function wrapLines(text: string, columns: number | undefined): string {
  if (columns === undefined || columns < MIN_COLUMNS) return text;
  return text
    .split("\n")
    .map((line) => wrapLine(line, columns))
    .join("\n");
}

function wrapLine(line: string, columns: number): string {
  if (widthOf(line) <= columns) return line;
  const indent = " ".repeat(indentOf(line, columns));
  const lines: string[] = [];
  let current = "";
  for (const word of line.match(/\s*\S+/g) ?? []) {
    if (current.trim() !== "" && widthOf(current + word) > columns) {
      lines.push(current);
      current = indent + word.trimStart();
    } else {
      current += word;
    }
  }
  return [...lines, current].join("\n");
}

function indentOf(line: string, columns: number): number {
  const text = stripVTControlCharacters(line);
  const gaps = [...text.matchAll(/\S {2,}(?=\S)/g)];
  const starts = gaps.map(({ index, 0: gap }) => index + gap.length);
  const leading = text.length - text.trimStart().length;
  return starts.findLast((start) => start <= columns / 2) ?? leading + INDENT;
}

function widthOf(text: string): number {
  return Array.from(stripVTControlCharacters(text)).length;
}
