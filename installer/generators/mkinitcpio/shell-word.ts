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

/** The word that begins here; an empty one where none does. */
export function readWord(text: string, start: number): Word {
  const characters: WordCharacter[] = [];
  let isExpanded = false;
  let isPattern = false;
  let isInDoubleQuotes = false;
  let position = start;
  const add = (length: number, value: string, isQuoted: boolean) => {
    characters.push({
      ...{ value, isQuoted },
      ...{ start: position, end: position + length },
    });
    position += length;
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
      const isEscape = !isInDoubleQuotes || ESCAPED_IN_DOUBLE_QUOTES.has(next);
      add(isEscape ? 2 : 1, isEscape ? next : character, true);
    } else if (character === "$" || character === "`") {
      const end = skipExpansion(text, position);
      isExpanded ||= end > position + 1;
      if (end > position + 1) position = end;
      else add(1, character, isInDoubleQuotes);
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

function closingQuote(text: string, from: number): number {
  const close = text.indexOf("'", from);
  return close === -1 ? text.length : close;
}

/** Past what a `$` or a backtick begins; one further than `start` where it begins nothing. */
function skipExpansion(text: string, start: number): number {
  if (text.charAt(start) === "`") {
    const close = /^`(?:[^`\\]|\\[^])*`?/.exec(text.slice(start));
    return start + (close?.[0].length ?? 1);
  }
  const next = text.charAt(start + 1);
  if (next === "'") {
    const quoted = /^\$'(?:[^'\\]|\\[^])*'?/.exec(text.slice(start));
    return start + (quoted?.[0].length ?? 1);
  }
  if (next === "(") return skipNested(text, start + 2, ")");
  if (next === "{") return skipNested(text, start + 2, "}");
  const name = /^\$(?:\w+|[@*#?$!-])/.exec(text.slice(start, start + 256));
  return start + (name?.[0].length ?? 1);
}

/** Past the character that closes what is open here. */
function skipNested(text: string, start: number, close: ")" | "}"): number {
  let position = start;
  while (position < text.length) {
    const character = text.charAt(position);
    if (character === close) return position + 1;
    if (character === "(") position = skipNested(text, position + 1, ")");
    else if (character === "\\") position += 2;
    else if (character === "$" || character === "`")
      position = skipExpansion(text, position);
    else if (character === "'") position = closingQuote(text, position + 1) + 1;
    else if (character === '"') position = skipDoubleQuotes(text, position + 1);
    else position += 1;
  }
  return text.length;
}

function skipDoubleQuotes(text: string, start: number): number {
  let position = start;
  while (position < text.length) {
    const character = text.charAt(position);
    if (character === '"') return position + 1;
    if (character === "\\") position += 2;
    else if (character === "$" || character === "`")
      position = skipExpansion(text, position);
    else position += 1;
  }
  return text.length;
}
