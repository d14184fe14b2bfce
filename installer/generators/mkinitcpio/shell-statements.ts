import { readWord, valueOf, type Word } from "./shell-word.ts";

/** `NAME=...` or `NAME+=...`. */
export interface Assignment {
  readonly kind: "assignment";
  readonly name: string;
  /** With a subscript, as in `NAME[0]=x`. */
  readonly isElement: boolean;
  readonly isAppending: boolean;
  readonly start: number;
  readonly end: number;
  /** What stands between the parentheses of `NAME=(...)`. */
  readonly list: readonly Word[] | undefined;
  /** What `NAME=...` gives; empty where there is a list. */
  readonly text: Word;
}

/** A simple command of bash, see bash(1), "SHELL GRAMMAR". */
export interface Statement {
  readonly start: number;
  readonly end: number;
  readonly parts: readonly (
    Assignment | ({ readonly kind: "word"; readonly value: string } & Word)
  )[];
  /** It may run or not, or more than once, or elsewhere: in an `if`, after `&&`, in a pipe, in a function. */
  readonly isConditional: boolean;
}

const ASSIGNMENT = /([A-Za-z_]\w*)(\[[^\]\n]{0,64}\])?(\+?=)/y;
const BLANK = /(?:[ \t]|\\\n)+/y;
const OPERATOR =
  /&&|\|\||;;&?|;&|\|&|<<-|<<<|<<|>>|[<>]&|&>>?|[<>]\||[\n;&|<>()]/y;
const OPENS = new Map([
  ["if", "fi"],
  ["for", "done"],
  ["select", "done"],
  ["while", "done"],
  ["until", "done"],
  ["case", "esac"],
  ["{", "}"],
]);
const GOES_ON = new Set(["then", "else", "elif", "do", "!", "time", "in"]);
const JOINS = new Set(["&&", "||", "|", "|&", "&"]);
const SEPARATES = new Set([";", "\n", ";;", ";&", ";;&", "(", ")"]);

/**
 * Reads a script of bash as far as it takes to tell what its statements are. Comments and
 * here-documents are no part of them.
 */
export function readStatements(text: string): Statement[] {
  const statements: Statement[] = [];
  /** What closes each thing that is open here. */
  const open: string[] = [];
  let parts: Statement["parts"][number][] = [];
  let isJoined = false;
  let hereDocuments: { end: string; stripsTabs: boolean }[] = [];
  let position = 0;

  const finish = (operator: string) => {
    const joinsNext = JOINS.has(operator) && operator !== "&";
    const [first] = parts;
    if (first !== undefined) {
      statements.push({
        ...{ start: first.start, end: parts.at(-1)?.end ?? first.end, parts },
        isConditional: open.length > 0 || isJoined || JOINS.has(operator),
      });
      parts = [];
      isJoined = joinsNext;
    } else if (operator !== "\n") {
      // A newline after && goes on.
      isJoined = joinsNext;
    }
    if (operator === "(") open.push(")");
    if (operator === ")" && open.at(-1) === ")") open.pop();
  };

  while (position < text.length) {
    const blank = match(BLANK, text, position);
    if (blank !== undefined) {
      position += blank[0].length;
      continue;
    }
    if (text.charAt(position) === "#") {
      position = endOfLine(text, position);
      continue;
    }
    if (parts.length === 0 && text.startsWith("((", position)) {
      const close = text.indexOf("))", position);
      position = close === -1 ? text.length : close + 2;
      continue;
    }
    const operator = match(OPERATOR, text, position)?.[0];
    if (operator === undefined) {
      const part = readPart(text, position);
      position = part.end;
      if (part.kind === "word" && parts.length === 0) {
        const raw = text.slice(part.start, part.end);
        const closes = OPENS.get(raw);
        if (closes !== undefined) open.push(closes);
        if (raw === open.at(-1)) open.pop();
        else if (closes === undefined && !GOES_ON.has(raw)) parts.push(part);
        continue;
      }
      parts.push(part);
      continue;
    }
    position += operator.length;
    if (operator === "<<" || operator === "<<-") {
      const blanks = match(BLANK, text, position)?.[0].length ?? 0;
      const word = readWord(text, position + blanks);
      hereDocuments.push({
        end: valueOf(word.characters),
        stripsTabs: operator === "<<-",
      });
      position = word.end;
    } else if (JOINS.has(operator) || SEPARATES.has(operator)) {
      finish(operator);
    }
    if (operator === "\n") {
      for (const { end, stripsTabs } of hereDocuments) {
        position = skipHereDocument(text, position, end, stripsTabs);
      }
      hereDocuments = [];
    }
  }
  finish("\n");
  return statements;
}

function readPart(text: string, position: number): Statement["parts"][number] {
  const assignment = match(ASSIGNMENT, text, position);
  if (assignment === undefined) {
    const word = readWord(text, position);
    return { kind: "word", ...word, value: valueOf(word.characters) };
  }
  const [written, name = "", subscript, operator] = assignment;
  const after = position + written.length;
  const isList = text.charAt(after) === "(";
  const { list, end } = isList
    ? readList(text, after + 1)
    : { list: undefined, end: undefined };
  const value = readWord(text, end ?? after);
  return {
    ...{ kind: "assignment", name, list, start: position, end: value.end },
    ...{ isElement: subscript !== undefined, isAppending: operator === "+=" },
    text: value,
  };
}

/** The words up to the closing parenthesis, and where it ends. */
function readList(
  text: string,
  start: number,
): { list: readonly Word[]; end: number } {
  const list: Word[] = [];
  let position = start;
  while (position < text.length && text.charAt(position) !== ")") {
    const blank = match(/(?:\s|\\\n)+/y, text, position);
    if (blank !== undefined) position += blank[0].length;
    else if (text.charAt(position) === "#")
      position = endOfLine(text, position);
    else {
      const word = readWord(text, position);
      list.push(word);
      // What is no word is no bash either: it would stand still here.
      position = Math.max(word.end, position + 1);
    }
  }
  return { list, end: Math.min(position + 1, text.length) };
}

function skipHereDocument(
  text: string,
  start: number,
  end: string,
  stripsTabs: boolean,
): number {
  let position = start;
  while (position < text.length) {
    const lineEnd = endOfLine(text, position);
    const line = text.slice(position, lineEnd);
    position = lineEnd + 1;
    if ((stripsTabs ? line.replace(/^\t+/, "") : line) === end) break;
  }
  return position;
}

export function endOfLine(text: string, position: number): number {
  const end = text.indexOf("\n", position);
  return end === -1 ? text.length : end;
}

function match(
  pattern: RegExp,
  text: string,
  position: number,
): RegExpExecArray | undefined {
  pattern.lastIndex = position;
  return pattern.exec(text) ?? undefined;
}
