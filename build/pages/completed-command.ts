import type { Command } from "../../installer/cli/table.ts";
import type { Flag } from "../../runtime/base/flags.ts";

/** What may stand at a place of the command line. */
export type Value =
  | { readonly kind: "nothing" }
  /** Anything: nothing can be proposed. */
  | { readonly kind: "text" }
  | { readonly kind: "file" }
  | { readonly kind: "directory" }
  | { readonly kind: "words"; readonly words: readonly string[] };

/** An option, as shells complete it. */
export interface CompletedOption {
  readonly name: string;
  readonly describe: string;
  readonly value: Value;
  /** Whether it may stand without its value. */
  readonly isOptional: boolean;
  /** What the help calls its value. */
  readonly placeholder: string;
}

/** A command, as shells complete it. */
export interface CompletedCommand {
  /** Of one in another: `toplayer check` is two. */
  readonly words: readonly string[];
  readonly summary: string;
  readonly options: readonly CompletedOption[];
  readonly operands: Value;
}

/** The commands of the table, as shells complete them. */
export function listCompletedCommands(
  table: ReadonlyMap<string, Command>,
): CompletedCommand[] {
  return [...table].map(([name, { summary, flags, operands }]) => ({
    words: name.split(" "),
    summary,
    options: Object.entries(flags).flatMap(([flag, help]) =>
      [flag, help.alias ?? []].flat().map((word) => describeOption(word, help)),
    ),
    operands:
      operands?.values === undefined
        ? valueOf(operands?.usage ?? "")
        : { kind: "words", words: operands.values },
  }));
}

function describeOption(
  name: string,
  { type, describe, placeholder = "", values }: Flag,
): CompletedOption {
  return {
    name,
    describe,
    value:
      values !== undefined
        ? { kind: "words", words: values }
        : type === "boolean"
          ? { kind: "nothing" }
          : valueOf(placeholder, { kind: "text" }),
    isOptional: placeholder.startsWith("["),
    placeholder: placeholder.replaceAll(/[[\]]/g, ""),
  };
}

/** By the name that the help gives it. */
function valueOf(text: string, otherwise: Value = { kind: "nothing" }): Value {
  if (/\bDIR\b/.test(text)) return { kind: "directory" };
  return /\bFILE\b/.test(text) ? { kind: "file" } : otherwise;
}

/** The first words, each once, with what they do; of one with commands below it none of its own. */
export function firstWords(
  commands: readonly CompletedCommand[],
): ReadonlyMap<string, readonly CompletedCommand[]> {
  const first = new Map<string, CompletedCommand[]>();
  for (const command of commands) {
    const [word = ""] = command.words;
    first.set(word, [...(first.get(word) ?? []), command]);
  }
  return first;
}
