import yargs from "yargs";
import { UsageError } from "../../runtime/base/errors.ts";
import {
  checkFlags,
  suggest,
  unexpected,
  type Flags,
} from "../../runtime/base/flags.ts";
import {
  commandNames,
  commandTable,
  type CommandName,
  type Operands,
  type FlagsOf,
} from "./table.ts";
import path from "node:path";
import type { StoreChoice } from "../system/find-store.ts";

/** A command line, taken apart and not checked yet. */
export interface Parsed {
  /** Of the command, or what it begins with; empty where there is none. */
  readonly name: string;
  readonly isHelp: boolean;
  readonly words: readonly string[];
  /** What follows the command's name. */
  readonly operands: readonly string[];
  readonly given: ReadonlyMap<string, readonly unknown[]>;
  /** What yargs refuses. */
  readonly failure: string | undefined;
}

interface Call {
  readonly name: CommandName;
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
  readonly operands: readonly string[];
}

/** All commands' options may stand before the command: those of one name are of one type. */
const allFlags: Flags = {
  version: { type: "boolean", describe: "" },
  ...(Object.assign(
    {},
    ...[...commandTable.values()].map(({ flags }) => flags),
  ) as Flags),
};

export function parse(argv: readonly string[]): Parsed {
  let failure: string | undefined;
  const parser = yargs()
    .help(false)
    .version(false)
    .exitProcess(false)
    .option("help", { type: "boolean", nargs: 0, alias: "h" })
    .alias("version", "V")
    .parserConfiguration({
      "boolean-negation": false,
      "camel-case-expansion": false,
      "dot-notation": false,
      "parse-positional-numbers": false,
      "populate--": true,
    })
    .fail((message) => {
      failure ??= message
        .replace(/^Not enough arguments following: (.*)$/, "--$1 needs a value")
        .replace(/^Argument unexpected for: (.*)$/, "--$1 takes no value");
    });
  for (const [name, { type, alias, placeholder }] of Object.entries(allFlags)) {
    parser.option(name, {
      type,
      ...(alias !== undefined && { alias }),
      // Else it would take a "true" or "false" that follows.
      ...(type === "boolean" && { nargs: 0 }),
      requiresArg: placeholder?.startsWith("[") === false,
    });
  }
  const {
    _: words,
    "--": rest = [],
    ...values
  } = parser.parseSync([...argv]) as {
    _: string[];
    "--"?: string[];
    [name: string]: unknown;
  };
  const isHelp = words[0] === "help" || values["help"] === true;
  while (words[0] === "help") words.shift();
  const name = findName(words);
  const hidden = ["$0", "h", "help", "V"].concat(
    Object.values(allFlags).flatMap(({ alias }) => alias ?? []),
  );
  return {
    name,
    isHelp,
    words,
    operands: [...words.slice(name.split(" ").length), ...rest],
    given: new Map(
      Object.entries(values)
        .filter(([key]) => !hidden.includes(key))
        .map(([key, value]) => [key, [value].flat()]),
    ),
    failure,
  };
}

/** The longest that there is. */
function findName([first = "", second = ""]: readonly string[]): string {
  const whole = `${first} ${second}`;
  if (commandTable.has(whole)) return whole;
  return commandNames.has(first) ? first : "";
}

/** Checks all that is given. @throws UsageError */
export function checkCall(parsed: Parsed): Call {
  const { name, operands, given, failure } = parsed;
  const command = commandTable.get(name);
  const flags = checkFlags(given, command?.flags ?? allFlags);
  if (failure !== undefined) throw new UsageError(failure);
  if (command === undefined) throw describeMissing(parsed);
  checkOperands(operands, command.operands);
  const conflict = command.check?.(flags);
  if (conflict !== undefined) throw new UsageError(conflict);
  return { name: name as CommandName, flags, operands };
}

/** The name of a command or of a group; empty where none is asked for. @throws UsageError */
export function requireName(parsed: Parsed): string {
  const { name, words } = parsed;
  const [first, second] = words;
  const isWhole =
    commandTable.has(name) || (second === undefined && name === first);
  if (first !== undefined && !isWhole) throw describeMissing(parsed);
  return name;
}

function describeMissing({ words: [first, second] }: Parsed): UsageError {
  if (first === undefined) return new UsageError("a command is missing");
  const names = commandNames.get(first);
  if (names !== undefined && second === undefined) {
    return new UsageError(`a command is missing: ${names.join(", or ")}`);
  }
  const word = names === undefined ? first : `${first} ${second ?? ""}`;
  const known = names ?? [...commandNames.keys(), "help"];
  return new UsageError(`unknown command: ${word}${suggest(word, known)}`);
}

/** @throws UsageError */
function checkOperands(
  given: readonly string[],
  { usage, values }: Pick<Operands, "usage" | "values"> = { usage: "[]" },
): void {
  const name = usage.replaceAll(/[[\].]/g, "");
  if (given.length === 0 && !usage.startsWith("[")) {
    throw new UsageError(`${name} is missing`);
  }
  const most = name === "" ? 0 : usage.includes("...") ? Infinity : 1;
  const extra = given[most];
  if (extra !== undefined) throw unexpected(extra);
  if (given.includes("")) throw new UsageError(`${name} is empty`);
  const [word = ""] = given;
  if (values?.includes(word) === false) {
    throw new UsageError(
      `completion ${word} is not one of ${values.join(", ")}`,
    );
  }
}

/** The image store that `--store-path` and `--store` name. */
export function readStoreChoice({
  "store-path": directory,
  store,
}: Pick<FlagsOf<"resolve">, "store-path" | "store">): StoreChoice {
  return {
    directory: directory === undefined ? undefined : path.resolve(directory),
    kind: store,
  };
}
