/** A character that a word stands for, and where it is written. */
export interface WordCharacter {
  readonly value: string;
  readonly start: number;
  /** Past its last character, quoting included. */
  readonly end: number;
  readonly isQuoted: boolean;
}

/** A word of bash, see bash(1), "QUOTING" and "EXPANSION". */
export interface Word {
  readonly start: number;
  readonly end: number;
  readonly characters: readonly WordCharacter[];
  /** Something in it is found out only when bash runs: `$x`, `$(...)`. */
  readonly isExpanded: boolean;
  /** Something in it stands for names of files, or for several words: `*`, `{a,b}`, `~`. */
  readonly isPattern: boolean;
}

/** The characters after a quoting backslash; `\` before others stays between double quotes. */
const ESCAPED_IN_DOUBLE_QUOTES = new Set(["$", "`", '"', "\\"]);
const ENDS_WORD = new Set([..." \t\n;&|<>()"]);
const PATTERN = new Set([..."*?[{~"]);
const SIMPLE_EXPANSION = /\$'(?:[^'\\]|\\[^])*'?|\$(?:\w+|[@*#?$!-])/y;

/** The word that begins here; an empty one where none does. */
export function readWord(text: string, start: number): Word {
  const characters: WordCharacter[] = [];
  let isExpanded = false;
  let isPattern = false;
  let isInDoubleQuotes = false;
  let position = start;
  const add = (length: number, value: string, isQuoted: boolean) => {
    const end = position + length;
    characters.push({ value, start: position, end, isQuoted });
    position = end;
  };
  while (position < text.length) {
    const character = text.charAt(position);
    const next = text.charAt(position + 1);
    if (character === "\\" && next === "\n") {
      position += 2;
    } else if (character === '"') {
      isInDoubleQuotes = !isInDoubleQuotes;
      position += 1;
    } else if (character === "\\") {
      // At the file's end it quotes nothing, and bash keeps it.
      const isEscape =
        next !== "" &&
        (!isInDoubleQuotes || ESCAPED_IN_DOUBLE_QUOTES.has(next));
      add(isEscape ? 2 : 1, isEscape ? next : character, true);
    } else if (character === "$" || character === "`") {
      const end = skipExpansion(text, position);
      isExpanded ||= end !== undefined;
      if (end === undefined) add(1, character, isInDoubleQuotes);
      else position = end;
    } else if (isInDoubleQuotes) {
      add(1, character, true);
    } else if (character === "'") {
      const close = closingQuote(text, position + 1);
      position += 1;
      while (position < close) add(1, text.charAt(position), true);
      position = close + 1;
    } else if (ENDS_WORD.has(character)) {
      break;
    } else {
      isPattern ||= PATTERN.has(character);
      add(1, character, false);
    }
  }
  const end = Math.min(position, text.length);
  return { start, end, characters, isExpanded, isPattern };
}

export function valueOf(characters: readonly WordCharacter[]): string {
  return characters.map(({ value }) => value).join("");
}

/** What a sticky pattern finds right here. */
export function match(
  pattern: RegExp,
  text: string,
  position: number,
): RegExpExecArray | undefined {
  pattern.lastIndex = position;
  return pattern.exec(text) ?? undefined;
}

function closingQuote(text: string, from: number): number {
  const close = text.indexOf("'", from);
  return close === -1 ? text.length : close;
}

/** Past what a `$` or a backtick begins; `undefined` where it begins nothing. */
function skipExpansion(text: string, start: number): number | undefined {
  const simple = match(SIMPLE_EXPANSION, text, start)?.[0];
  if (simple !== undefined) return start + simple.length;
  const closer = closerOf(text, start);
  if (closer === undefined) return undefined;
  return skipNested(text, start + (closer === "`" ? 1 : 2), closer);
}

/** What closes the expansion that begins here. */
function closerOf(text: string, position: number): string | undefined {
  if (text.startsWith("`", position)) return "`";
  if (text.startsWith("$(", position)) return ")";
  return text.startsWith("${", position) ? "}" : undefined;
}

/** Past the character that closes what is open here, with all that opens and closes within. */
function skipNested(text: string, start: number, closer: string): number {
  const open = [closer];
  let position = start;
  while (position < text.length) {
    const inner = open.at(-1);
    if (inner === undefined) return position;
    const character = text.charAt(position);
    if (character === "\\") {
      position += 2;
      continue;
    }
    const opens = inner === "`" ? undefined : closerOf(text, position);
    if (character === inner) {
      open.pop();
    } else if (opens !== undefined) {
      open.push(opens);
      if (opens !== "`") position += 1;
    } else if (inner !== "`" && inner !== '"') {
      if (character === "'") position = closingQuote(text, position + 1);
      else if (character === '"') open.push('"');
      else if (character === "(") open.push(")");
    }
    position += 1;
  }
  return text.length;
}
