import {
  readStatements,
  type Statement,
  type Assignment,
} from "./shell-tokens.ts";
import { valueOf, type Word, type WordCharacter } from "./shell-word.ts";

/** A hook that HOOKS names, and where it is written. */
export interface WrittenHook {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** How the place looks: a word between parentheses, or part of a text with or without quotes. */
  readonly place: "list" | "quoted" | "bare";
  /** In a text: where the blank before it begins, if there is one. */
  readonly blankStart: number | undefined;
}

/** What cannot be told without running it. */
export interface Obscurity {
  readonly position: number;
  readonly end: number;
  readonly why: string;
}

/** What a script makes of HOOKS. */
export interface Hooks {
  /** In order. */
  readonly hooks: readonly WrittenHook[];
  /** Whether it is an array at the end, and a text otherwise; `undefined` where it is not set. */
  readonly isArray: boolean | undefined;
  /** What may give it other hooks, or more. */
  readonly obscurities: readonly Obscurity[];
}

const DECLARES = new Set(["export", "declare", "typeset", "readonly"]);

const READS_CODE = new Set(["source", ".", "eval"]);

/** They may name HOOKS and do nothing to it. */
const HARMLESS = new Set(["echo", "[", "[[", "test", ":", "true"]);

const NAME = "HOOKS";

const MENTION = /\bHOOKS\b/;

type Value =
  | { readonly kind: "unset" }
  | { readonly kind: "array"; readonly hooks: readonly WrittenHook[] }
  | { readonly kind: "text"; readonly characters: readonly WordCharacter[] };

/**
 * What HOOKS is after a configuration was read, as mkinitcpio takes it: an array, or a text whose
 * first line is split at blanks. See mkinitcpio.conf(5).
 * @param text the files that mkinitcpio reads, one after the other
 */
export function readHooks(text: string): Hooks {
  const changes = readStatements(text).flatMap((statement) =>
    changesOf(statement, text),
  );
  let value: Value = { kind: "unset" };
  let obscurities: Obscurity[] = [];
  for (const change of changes) {
    if (change.kind === "obscure") obscurities.push(change);
    else {
      value = applyChange(value, change);
      if (isAnew(change)) obscurities = [];
    }
  }
  return {
    ...{ hooks: hooksOf(value), obscurities },
    isArray: value.kind === "unset" ? undefined : value.kind === "array",
  };
}

/** Whether it does not matter what HOOKS was before. */
function isAnew(change: Exclude<Change, { kind: "obscure" }>): boolean {
  return change.kind === "assignment"
    ? change.list !== undefined && !change.isAppending
    : change.kind === "unset";
}

function applyChange(
  value: Value,
  change: Exclude<Change, { kind: "obscure" }>,
): Value {
  if (change.kind === "unset") return { kind: "unset" };
  if (change.kind === "array") return toArray(value);
  const { list, isAppending, text } = change;
  if (list !== undefined) {
    const before = isAppending ? toArray(value).hooks : [];
    return { kind: "array", hooks: [...before, ...list.map(listedHook)] };
  }
  if (value.kind === "array") {
    // bash gives it to the first of the list.
    const [first, ...rest] = value.hooks;
    const before = isAppending && first !== undefined ? first.name : "";
    const name = before + valueOf(text.characters);
    const { start, end } = text;
    return {
      kind: "array",
      hooks: [
        { ...{ name, start, end, place: "bare" }, blankStart: undefined },
        ...rest,
      ],
    };
  }
  const before = isAppending && value.kind === "text" ? value.characters : [];
  return { kind: "text", characters: [...before, ...text.characters] };
}

function hooksOf(value: Value): readonly WrittenHook[] {
  return value.kind === "text"
    ? splitText(firstLine(value.characters))
    : toArray(value).hooks;
}

type Change =
  | Assignment
  | { readonly kind: "unset" }
  | { readonly kind: "array" }
  | ({ readonly kind: "obscure" } & Obscurity);

function changesOf(
  { start, end, parts, isConditional }: Statement,
  text: string,
): Change[] {
  const obscure = (why: string): Change[] => [
    { kind: "obscure", position: start, end, why },
  ];
  const [first] = parts;
  const command = first?.kind === "word" ? first.value : undefined;
  if (command !== undefined && READS_CODE.has(command)) {
    return obscure(`${command} may change it`);
  }
  if (!MENTION.test(text.slice(start, end))) return [];
  if (command !== undefined && HARMLESS.has(command)) return [];
  const assignments = parts.filter((part) => part.kind === "assignment");
  const ours = assignments.filter(({ name }) => name === NAME);
  if (command === undefined && ours.length === 0) return [];
  if (isConditional) {
    return obscure("it is set under a condition or more than once");
  }
  if (command === undefined) {
    return parts.length === assignments.length
      ? readable(ours)
      : obscure("a command is called with it");
  }
  const words = parts.filter((part) => part.kind === "word").slice(1);
  const options = words.filter(({ value }) => value.startsWith("-"));
  const names = words.filter(({ value }) => value === NAME);
  if (command === "unset" && names.length > 0) return [{ kind: "unset" }];
  if (
    !DECLARES.has(command) ||
    options.some(({ value }) => !/^-[agrx]+$/.test(value))
  ) {
    return obscure(`${command} may change it`);
  }
  const isArray = options.some(({ value }) => value.includes("a"));
  return [...(isArray ? [{ kind: "array" } as const] : []), ...readable(ours)];
}

/** What is obscure comes last, so that no assignment is taken to make up for it. */
function readable(assignments: readonly Assignment[]): Change[] {
  return assignments.flatMap((assignment): Change[] => {
    const { isElement, list, text, start: position, end } = assignment;
    const known = list?.filter((word) => !isComputed(word, true));
    const why = isElement
      ? "one hook of it is set by its number"
      : known?.length !== list?.length || isComputed(text, false)
        ? "it is computed"
        : undefined;
    if (why === undefined) return [assignment];
    const obscure: Change = { kind: "obscure", position, end, why };
    return isElement || known === undefined
      ? [obscure]
      : [{ ...assignment, list: known }, obscure];
  });
}

function isComputed(
  { isExpanded, isPattern, characters }: Word,
  isListed: boolean,
): boolean {
  return isExpanded || (isListed && (isPattern || characters.length === 0));
}

function listedHook({ start, end, characters }: Word): WrittenHook {
  return {
    ...{ name: valueOf(characters), start, end, place: "list" },
    blankStart: undefined,
  };
}

/** A text that becomes a list is one hook, blanks included: there is none of that name. */
function toArray(value: Value): Extract<Value, { kind: "array" }> {
  if (value.kind === "array") return value;
  const characters = value.kind === "text" ? value.characters : [];
  const hook = hookOf(characters, undefined);
  return { kind: "array", hooks: hook === undefined ? [] : [hook] };
}

function firstLine(characters: readonly WordCharacter[]): WordCharacter[] {
  const end = characters.findIndex(({ value }) => value === "\n");
  return characters.slice(0, end === -1 ? undefined : end);
}

function splitText(characters: readonly WordCharacter[]): WrittenHook[] {
  const hooks: WrittenHook[] = [];
  let blank: WordCharacter | undefined;
  let word: WordCharacter[] = [];
  const finish = () => {
    const hook = hookOf(word, blank);
    if (hook !== undefined) hooks.push(hook);
    word = [];
  };
  for (const character of characters) {
    if (character.value === " " || character.value === "\n") {
      finish();
      blank = character;
    } else word.push(character);
  }
  finish();
  return hooks;
}

function hookOf(
  characters: readonly WordCharacter[],
  blank: WordCharacter | undefined,
): WrittenHook | undefined {
  const [first] = characters;
  const last = characters.at(-1);
  if (first === undefined || last === undefined) return undefined;
  return {
    name: valueOf(characters),
    start: first.start,
    end: last.end,
    place: last.isQuoted ? "quoted" : "bare",
    blankStart: blank?.start,
  };
}
