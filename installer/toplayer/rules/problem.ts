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
  /** A sentence. */
  readonly remedy?: string;
  /** In place of a remedy: what to run on the entry in the layer's directory. */
  readonly command?: string | ((entry: CheckedEntry) => string);
}

export function applyRules(
  rules: readonly EntryRule[],
  entries: readonly CheckedEntry[],
): Problem[] {
  return entries.flatMap((entry) =>
    rules.flatMap(({ rule, level, find, remedy, command }) => {
      const message = find(entry);
      if (message === false) return [];
      const program = typeof command === "function" ? command(entry) : command;
      return [
        problemOf(entry, {
          level: typeof level === "function" ? level(entry) : level,
          rule,
          message,
          remedy:
            remedy ??
            `In the top layer's directory: ${String(program)} ${quote(`.${entry.path}`)}`,
        }),
      ];
    }),
  );
}

/** A problem of an entry; of none where it is of all the layers. */
export function problemOf(
  entry: Pick<CheckedEntry, "layer" | "path"> | undefined,
  problem: Omit<Problem, "layer" | "path">,
): Problem {
  const { level, rule, message, remedy } = problem;
  const { layer = null, path = null } = entry ?? {};
  return { level, rule, layer, path, message, remedy };
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
