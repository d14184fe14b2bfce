import { readTokens, type Assignment, type PlainWord } from "./shell-tokens.ts";

/** A simple command of bash, see bash(1), "SHELL GRAMMAR". */
export interface Statement {
  readonly start: number;
  readonly end: number;
  readonly parts: readonly (Assignment | PlainWord)[];
  /** It may run or not, or more than once, or elsewhere: in an `if`, after `&&`, in a pipe, in a function. */
  readonly isConditional: boolean;
}

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
        ...{ start: first.start, end: last.end, parts },
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
    if (token.kind === "operator") {
      const { value } = token;
      if (JOINS.has(value) || SEPARATES.has(value)) finish(value);
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
