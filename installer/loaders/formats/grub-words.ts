/** A word of a GRUB script; `isPlain` where no character of it was quoted. */
export interface GrubWord {
  readonly text: string;
  readonly isPlain: boolean;
}

/**
 * Splits a GRUB script into its commands, and the words of each. `{` and `}` are commands of their
 * own. Of variables only those count that the script itself sets before; others stay as they are
 * written.
 * @see https://www.gnu.org/software/grub/manual/grub/grub.html#Shell_002dlike-scripting
 */
export function splitGrubScript(script: string): GrubWord[][] {
  const commands: GrubWord[][] = [];
  const variables = new Map<string, string>();
  let words: GrubWord[] = [];
  let text: string | undefined;
  let isPlain = true;
  const endWord = () => {
    if (text !== undefined) words.push({ text, isPlain });
    [text, isPlain] = [undefined, true];
  };
  const endCommand = () => {
    endWord();
    if (words.length > 0) commands.push(words);
    remember(words, variables);
    words = [];
  };
  let at = 0;
  const add = (more: string, length: number) => {
    text = (text ?? "") + more;
    at += length;
  };
  while (at < script.length) {
    const rest = script.slice(at, at + MAX_TOKEN_CHARS);
    const character = rest.charAt(0);
    if (character === "#" && text === undefined) {
      at += lineLength(script, at);
    } else if (rest.startsWith("\\\n")) {
      at += 2;
    } else if (character === "\n" || character === ";") {
      endCommand();
      at += 1;
    } else if (/[ \t\r]/.test(character)) {
      endWord();
      at += 1;
    } else if (text === undefined && /^[{}](?:[\s;]|$)/.test(rest)) {
      endCommand();
      commands.push([{ text: character, isPlain: true }]);
      at += 1;
    } else if (character === "'") {
      const end = script.indexOf("'", at + 1);
      const stop = end === -1 ? script.length : end;
      isPlain = false;
      add(script.slice(at + 1, stop), stop + 1 - at);
    } else if (character === '"') {
      isPlain = false;
      add(...readQuoted(script, at, variables));
    } else if (character === "\\") {
      isPlain = false;
      add(rest.charAt(1), 2);
    } else if (character === "$") {
      add(...readVariable(rest, variables));
    } else {
      add(character, 1);
    }
  }
  endCommand();
  return commands;
}

const MAX_TOKEN_CHARS = 256;
const MAX_VALUE_CHARS = 4096;

type Read = [text: string, length: number];

function readQuoted(
  script: string,
  start: number,
  variables: ReadonlyMap<string, string>,
): Read {
  let text = "";
  let at = start + 1;
  while (at < script.length && script.charAt(at) !== '"') {
    const rest = script.slice(at, at + MAX_TOKEN_CHARS);
    if (/^\\[$"\\]/.test(rest)) {
      text += rest.charAt(1);
      at += 2;
    } else if (rest.startsWith("\\\n")) {
      at += 2;
    } else if (rest.startsWith("$")) {
      const [value, length] = readVariable(rest, variables);
      text += value;
      at += length;
    } else {
      text += rest.charAt(0);
      at += 1;
    }
  }
  return [text, at + 1 - start];
}

function readVariable(
  rest: string,
  variables: ReadonlyMap<string, string>,
): Read {
  const [whole = "$", braced, bare] = /^\$(?:\{(\w+)\}|(\w+))/.exec(rest) ?? [];
  return [variables.get(braced ?? bare ?? "") ?? whole, whole.length];
}

function remember(
  [command, assignment]: readonly GrubWord[],
  variables: Map<string, string>,
): void {
  if (command?.text !== "set" || assignment === undefined) return;
  const [, name, value] = /^(\w+)=(.*)$/s.exec(assignment.text) ?? [];
  if (name === undefined || value === undefined) return;
  // One that is set to itself twice, again and again, would grow without end.
  if (value.length > MAX_VALUE_CHARS) variables.delete(name);
  else variables.set(name, value);
}

function lineLength(script: string, at: number): number {
  const end = script.indexOf("\n", at);
  return (end === -1 ? script.length : end) - at;
}
