import { quote } from "../../../runtime/base/quote.ts";
import type { CheckedEntry } from "./check-facts.ts";

export type Level = "error" | "warning";

/** What is wrong with a top layer. */
export interface Problem {
  /** An error would stop the boot, lock somebody out, or give away a secret. */
  readonly level: Level;
  /** Stable, for programs. */
  readonly rule: string;
  /** Which layer, from 0; `null` where it is not one entry's. */
  readonly layer: number | null;
  readonly path: string | null;
  readonly message: string;
  /** What to do, as a sentence. */
  readonly remedy: string;
}

/** A rule that looks at the entries one by one. */
export interface EntryRule {
  readonly rule: string;
  readonly level: Level | ((entry: CheckedEntry) => Level);
  /** @returns what is wrong with the entry, as a sentence */
  readonly find: (entry: CheckedEntry) => string | false;
  readonly remedy: string | ((entry: CheckedEntry) => string);
}

export function applyRules(
  rules: readonly EntryRule[],
  entries: readonly CheckedEntry[],
): Problem[] {
  return entries.flatMap((entry) =>
    rules.flatMap(({ rule, level, find, remedy }) => {
      const message = find(entry);
      if (message === false) return [];
      const problem = {
        level: typeof level === "string" ? level : level(entry),
        rule,
        message,
        remedy: typeof remedy === "string" ? remedy : remedy(entry),
      };
      return [problemOf(entry, problem)];
    }),
  );
}

/** A remedy: what to run on the entry in the layer's directory. */
export function runOn(
  ...commands: readonly string[]
): (entry: CheckedEntry) => string {
  return ({ path }) => {
    const calls = commands.map((command) => `${command} ${quote(`.${path}`)}`);
    return `In the top layer's directory: ${calls.join(" && ")}`;
  };
}

/** A problem of an entry; of none where it is of all the layers. */
export function problemOf(
  entry: Pick<CheckedEntry, "layer" | "path"> | undefined,
  { level, rule, ...text }: Omit<Problem, "layer" | "path">,
): Problem {
  const { layer = null, path = null } = entry ?? {};
  return { level, rule, layer, path, ...text };
}

/** Whether the merge copies it, or lays it over a directory. */
export function isCopied({ effect }: Pick<CheckedEntry, "effect">): boolean {
  return ["add", "replace", "merge"].includes(effect);
}

export const formatMode = (mode: number) => mode.toString(8).padStart(4, "0");

/** Where every program looks for what it needs. */
export function isEssential(directory: string): boolean {
  return /^\/(?:etc|s?bin|lib(?:x?32|64)?|usr|usr\/(?:s?bin|lib(?:64)?|share)|dev|home|proc|run|sys|tmp|var|var\/lib)$/.test(
    directory,
  );
}
