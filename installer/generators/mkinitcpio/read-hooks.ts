import { readStatements, type Statement } from "./shell-tokens.ts";
import { valueOf, type Word, type WordCharacter } from "./shell-word.ts";

/** A hook that HOOKS names, and where it is written. */
export interface WrittenHook {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** How the place looks: a word between parentheses, or part of a text with or without quotes. */
  readonly place: "list" | "quoted" | "bare";
  /** In a text: where the blank before it begins, if there is one. */
  readonly blankStart?: number | undefined;
}

/** What cannot be told without running it. */
interface Obscurity {
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

/** What HOOKS is: not set, an array, or a text. */
type Value =
  | undefined
  | { readonly hooks: readonly WrittenHook[] }
  | { readonly characters: readonly WordCharacter[] };

/** What a statement does to HOOKS: it gives it another value, or nobody knows what. */
type Effect =
  | {
      readonly apply: (before: Value) => Value;
      /** Whether it does not matter what HOOKS was before. */
      readonly isAnew: boolean;
    }
  | Obscurity;

/**
 * What HOOKS is after a configuration was read, as mkinitcpio takes it: an array, or a text whose
 * first line is split at blanks. See mkinitcpio.conf(5).
 * @param text the files that mkinitcpio reads, one after the other
 */
export function readHooks(text: string): Hooks {
  let value: Value;
  let obscurities: Obscurity[] = [];
  for (const statement of readStatements(text)) {
    for (const effect of effectsOf(statement, text)) {
      if ("why" in effect) {
        obscurities.push(effect);
      } else {
        value = effect.apply(value);
        if (effect.isAnew) obscurities = [];
      }
    }
  }
  if (value !== undefined && "characters" in value) {
    const hooks = splitText(value.characters);
    return { hooks, isArray: false, obscurities };
  }
  return { hooks: toList(value), isArray: value && true, obscurities };
}

function effectsOf(
  { start, end, parts, isConditional }: Statement,
  text: string,
): Effect[] {
  const obscure = (why: string): Effect[] => [{ position: start, end, why }];
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
  const assigned = ours.flatMap(effectsOfAssignment);
  if (command === undefined) {
    return parts.length === assignments.length
      ? assigned
      : obscure("it is set for one command alone");
  }
  const words = parts
    .filter((part) => part.kind === "word")
    .map(({ value }) => value)
    .slice(1);
  const options = words.filter((word) => word.startsWith("-"));
  if (command === "unset" && words.includes(NAME)) {
    return [{ apply: () => undefined, isAnew: true }];
  }
  if (
    !DECLARES.has(command) ||
    options.some((option) => !/^-[agrx]+$/.test(option))
  ) {
    return obscure(`${command} may change it`);
  }
  if (!options.some((option) => option.includes("a"))) return assigned;
  const declared = (before: Value) => ({ hooks: toList(before) });
  return [{ apply: declared, isAnew: false }, ...assigned];
}

/** What is obscure comes last, so that no assignment is taken to make up for it. */
function effectsOfAssignment({
  start: position,
  end,
  isElement,
  isAppending,
  list,
  text,
}: Extract<Statement["parts"][number], { kind: "assignment" }>): Effect[] {
  if (isElement) {
    return [{ position, end, why: "one of its elements is set by its index" }];
  }
  const known = list?.filter((word) => !isComputed(word));
  const assign = (before: Value): Value => {
    if (known !== undefined) {
      const hooks = isAppending ? toList(before) : [];
      return { hooks: [...hooks, ...known.map(listedHook)] };
    }
    if (before !== undefined && "hooks" in before) {
      // bash gives it to the first of the list.
      const [first, ...rest] = before.hooks;
      const name = (isAppending && first?.name) || "";
      const { start, end, characters } = text;
      const changed = name + valueOf(characters);
      return { hooks: [{ name: changed, start, end, place: "bare" }, ...rest] };
    }
    const characters = isAppending && before ? before.characters : [];
    return { characters: [...characters, ...text.characters] };
  };
  const computed = { position, end, why: "it is computed" };
  const isKnown = known?.length === list?.length;
  if (known === undefined && text.isExpanded) return [computed];
  return [
    { apply: assign, isAnew: known !== undefined && !isAppending },
    ...(isKnown && !text.isExpanded ? [] : [computed]),
  ];
}

/** Of a word in a list. */
function isComputed({ isExpanded, isPattern, characters }: Word): boolean {
  return isExpanded || isPattern || characters.length === 0;
}

function listedHook({ start, end, characters }: Word): WrittenHook {
  return { name: valueOf(characters), start, end, place: "list" };
}

/** A text that becomes a list is one hook, blanks included: there is none of that name. */
function toList(value: Value): readonly WrittenHook[] {
  if (value === undefined) return [];
  return "hooks" in value ? value.hooks : hookOf(value.characters);
}

/** The hooks of its first line. */
function splitText(characters: readonly WordCharacter[]): WrittenHook[] {
  const hooks: WrittenHook[] = [];
  let blank: WordCharacter | undefined;
  let word: WordCharacter[] = [];
  for (const character of characters) {
    if (character.value !== " " && character.value !== "\n") {
      word.push(character);
      continue;
    }
    hooks.push(...hookOf(word, blank));
    word = [];
    if (character.value === "\n") return hooks;
    blank = character;
  }
  return [...hooks, ...hookOf(word, blank)];
}

/** Nothing where there is no character. */
function hookOf(
  characters: readonly WordCharacter[],
  blank?: WordCharacter,
): WrittenHook[] {
  const [first] = characters;
  const last = characters.at(-1);
  if (first === undefined || last === undefined) return [];
  return [
    {
      name: valueOf(characters),
      start: first.start,
      end: last.end,
      place: last.isQuoted ? "quoted" : "bare",
      blankStart: blank?.start,
    },
  ];
}
