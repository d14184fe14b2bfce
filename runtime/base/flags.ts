import { parseArgs } from "node:util";
import { distance } from "fastest-levenshtein";
import { UsageError } from "./errors.ts";

/** An option of a command. The parsers, the help, the completions and the manual page read this. */
export interface Flag {
  /** A boolean takes no value. */
  readonly type: "string" | "boolean";
  readonly describe: string;
  /** What the help calls the value; in brackets where it may be absent. */
  readonly placeholder?: string;
  /** Another name of the option. */
  readonly alias?: string;
  /** The values that there are. */
  readonly values?: readonly string[];
}

export type Flags = Readonly<Record<string, Flag>>;

/** The values of a command's options, by the options' names. */
export type FlagValues<T extends Flags> = {
  readonly [Name in keyof T]?:
    | (T[Name] extends { values: readonly (infer Value)[] }
        ? Value
        : T[Name]["type"] extends "boolean"
          ? boolean
          : string)
    | undefined;
};

/**
 * The arguments of a command that has options alone.
 * @throws UsageError
 */
export function readFlags<T extends Flags>(
  args: readonly string[],
  flags: T,
): FlagValues<T> {
  const { tokens, positionals } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(flags).map(([name, { type }]) => [name, { type }]),
    ),
    strict: false,
    tokens: true,
  });
  const given = new Map<string, unknown[]>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    // An option's value that begins with a hyphen stands after an equals sign.
    const isOption = token.inlineValue === false && /^-./.test(token.value);
    const value = isOption ? true : (token.value ?? true);
    given.set(token.name, [...(given.get(token.name) ?? []), value]);
  }
  const values = checkFlags(given, flags);
  const [operand] = positionals;
  if (operand !== undefined) throw unexpected(operand);
  return values;
}

/**
 * The values of options that a parser found, each option once.
 * @param given all values of each option, `true` where it has none
 * @throws UsageError
 */
export function checkFlags<T extends Flags>(
  given: Iterable<readonly [name: string, values: readonly unknown[]]>,
  flags: T,
): FlagValues<T> {
  const checked = [...given].map(([name, values]): [string, unknown] => {
    const shown = `${name.length === 1 ? "-" : "--"}${name}`;
    const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
    if (flag === undefined) throw unknownOption(shown, flags);
    const [value, ...others] = new Set(values);
    if (others.length > 0) {
      const names = flag.alias === undefined ? "" : ` (or --${flag.alias})`;
      throw new UsageError(
        `${shown}${names} is given more than once: ${[value, ...others].map(String).join(", ")}`,
      );
    }
    return [name, checkValue(shown, value, flag)];
  });
  return Object.fromEntries(checked) as FlagValues<T>;
}

function checkValue(
  shown: string,
  value: unknown,
  { type, placeholder, values }: Flag,
): unknown {
  if (type === "boolean") {
    if (value === true) return value;
    throw new UsageError(`${shown} takes no value`);
  }
  const isOptional = placeholder?.startsWith("[") === true;
  if (typeof value !== "string" || (value === "" && !isOptional)) {
    throw new UsageError(`${shown} needs a value`);
  }
  if (values !== undefined && !values.includes(value)) {
    throw new UsageError(
      `${shown} ${value} is not one of ${values.join(", ")}`,
    );
  }
  return value;
}

export function unexpected(argument: string): UsageError {
  return new UsageError(`unexpected argument: ${argument}`);
}

/** @param shown with its hyphens, perhaps with a value */
function unknownOption(shown: string, flags: Flags): UsageError {
  const [option = ""] = shown.split("=");
  const names = Object.entries(flags).flatMap(([name, { alias }]) =>
    alias === undefined ? [name] : [name, alias],
  );
  const known = [...names, "help"].map((name) => `--${name}`);
  return new UsageError(`unknown option: ${option}${suggest(option, known)}`);
}

/** The nearest of the names, as a question after a message; empty where none is near. */
export function suggest(word: string, names: readonly string[]): string {
  const limit = Math.ceil(word.length / 3);
  const [nearest] = names
    .map((name) => ({ name, far: distance(name, word) }))
    .filter(({ far }) => far <= limit)
    .sort((a, b) => a.far - b.far);
  return nearest === undefined ? "" : `; did you mean ${nearest.name}?`;
}
