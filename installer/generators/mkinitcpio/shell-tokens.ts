import { match, readWord, valueOf, type Word } from "./shell-word.ts";

/** `NAME=...` or `NAME+=...`. */
interface Assignment {
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

interface PlainWord extends Word {
  readonly kind: "word";
  readonly value: string;
}

/** A simple command of bash, see bash(1), "SHELL GRAMMAR". */
export interface Statement {
  readonly start: number;
  readonly end: number;
  readonly parts: readonly (Assignment | PlainWord)[];
  /** It may run or not, or more than once, or elsewhere: in an `if`, after `&&`, in a pipe, in a function. */
  readonly isConditional: boolean;
}

const ASSIGNMENT = /([A-Za-z_]\w*)(\[[^\]\n]{0,64}\])?(\+?=)/y;
const BLANK = /(?:[ \t]|\\\n)+/y;

/** Comments and arithmetic included. */
const PASSED_OVER = /(?:[ \t]|\\\n|#[^\n]*|\(\([^]*?(?:\)\)|$))+/y;
const PASSED_OVER_IN_LIST = /(?:\s|\\\n|#[^\n]*)+/y;

const OPERATOR =
  /&&|\|\||;;&?|;&|\|&|<<-|<<<|<<|>>|[<>]&|&>>?|[<>]\||[\n;&|<>()]/y;

/** What opens a compound command, and what closes it. */
const CLOSES = new Map([
  ["if", "fi"],
  ["for", "done"],
  ["select", "done"],
  ["while", "done"],
  ["until", "done"],
  ["case", "esac"],
  ["{", "}"],
]);

const GOES_ON = new Set(["then", "else", "elif", "do", "!", "time"]);
const JOINS = new Set(["&&", "||", "|", "|&"]);
const SEPARATES = new Set([";", "&", "\n", ";;", ";&", ";;&", "(", ")"]);

/** Reads a script of bash as far as it takes to tell what its statements are. */
export function readStatements(text: string): Statement[] {
  const statements: Statement[] = [];
  /** What closes each thing that is open here. */
  const open: string[] = [];
  let parts: Statement["parts"][number][] = [];
  let isJoined = false;

  const finish = (operator: string) => {
    const [first] = parts;
    const last = parts.at(-1);
    if (first !== undefined && last !== undefined) {
      const isAlone = SEPARATES.has(operator) && operator !== "&";
      statements.push({
        start: first.start,
        end: last.end,
        parts,
        isConditional: open.length > 0 || isJoined || !isAlone,
      });
    }
    // A newline after && goes on.
    if (parts.length > 0 || operator !== "\n") isJoined = JOINS.has(operator);
    parts = [];
    if (operator === "(") open.push(")");
    if (operator === ")" && open.at(-1) === ")") open.pop();
  };

  for (const token of readTokens(text)) {
    if (typeof token === "string") {
      if (JOINS.has(token) || SEPARATES.has(token)) finish(token);
    } else if (token.kind === "word" && parts.length === 0) {
      const written = text.slice(token.start, token.end);
      const close = CLOSES.get(written);
      if (close !== undefined) open.push(close);
      else if (written === open.at(-1)) open.pop();
      else if (!GOES_ON.has(written)) parts.push(token);
    } else {
      parts.push(token);
    }
  }
  finish("\n");
  return statements;
}

/**
 * The words, assignments and operators of a script of bash, see bash(1), "DEFINITIONS". Comments,
 * arithmetic and here-documents are left out.
 */
function* readTokens(
  text: string,
): Generator<PlainWord | Assignment | string, void, void> {
  let hereDocuments: { end: string; stripsTabs: boolean }[] = [];
  let position = 0;
  const next = (pattern: RegExp) => {
    const found = match(pattern, text, position)?.[0];
    position += found?.length ?? 0;
    return found;
  };
  for (;;) {
    next(PASSED_OVER);
    if (position === text.length) return;
    const operator = next(OPERATOR);
    if (operator === undefined) {
      const part = readPart(text, position);
      yield part;
      position = part.end;
      continue;
    }
    yield operator;
    if (operator === "<<" || operator === "<<-") {
      next(BLANK);
      const word = readWord(text, position);
      const end = valueOf(word.characters);
      hereDocuments.push({ end, stripsTabs: operator === "<<-" });
      position = word.end;
    }
    if (operator === "\n") {
      for (const { end, stripsTabs } of hereDocuments) {
        position = skipHereDocument(text, position, end, stripsTabs);
      }
      hereDocuments = [];
    }
  }
}

function readPart(text: string, position: number): PlainWord | Assignment {
  const assignment = match(ASSIGNMENT, text, position);
  if (assignment === undefined) {
    const word = readWord(text, position);
    return { kind: "word", ...word, value: valueOf(word.characters) };
  }
  const [written, name = "", subscript, operator] = assignment;
  const after = position + written.length;
  const { list, end } =
    text.charAt(after) === "("
      ? readList(text, after + 1)
      : { list: undefined, end: after };
  const value = readWord(text, end);
  return {
    kind: "assignment",
    name,
    isElement: subscript !== undefined,
    isAppending: operator === "+=",
    start: position,
    end: value.end,
    list,
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
  for (;;) {
    position += match(PASSED_OVER_IN_LIST, text, position)?.[0].length ?? 0;
    if (position >= text.length) return { list, end: text.length };
    if (text.charAt(position) === ")") return { list, end: position + 1 };
    const word = readWord(text, position);
    list.push(word);
    // What is no word is no bash either: it would stand still here.
    position = Math.max(word.end, position + 1);
  }
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
  return Math.min(position, text.length);
}

export function endOfLine(text: string, position: number): number {
  const end = text.indexOf("\n", position);
  return end === -1 ? text.length : end;
}
