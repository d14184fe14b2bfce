import type { EntryChange } from "../../runtime/tree/merge-plan.ts";

/** What the layers leave at a path. */
export type Final =
  | { readonly from: "layer"; readonly change: EntryChange }
  | { readonly from: "image" }
  /** A layer has removed it. */
  | { readonly from: "nothing"; readonly change: EntryChange };

/** The tree after all layers, as the changes tell it. */
export interface FinalTree {
  /** @param file as `EntryChange.target`: free of symlinks, one byte a character */
  at(file: string): Final;
}

/** @param changes in the order in which they are made */
export function createFinalTree(changes: readonly EntryChange[]): FinalTree {
  /** The last change right there, by its number. */
  const own = new Map<string, number>();
  /** The last change after which nothing of before is left below. */
  const hiding = new Map<string, number>();
  for (const [number, { effect, target }] of changes.entries()) {
    if (effect === "skip") continue;
    if (effect !== "empty") own.set(target, number);
    if (effect !== "merge") hiding.set(target, number);
  }
  return {
    at: (file) => {
      const last = own.get(file) ?? -1;
      const hidden = Math.max(
        -1,
        ...ancestorsOf(file).map((directory) => hiding.get(directory) ?? -1),
      );
      const change = changes[Math.max(last, hidden)];
      if (change === undefined) return { from: "image" };
      return last > hidden && change.effect !== "delete"
        ? { from: "layer", change }
        : { from: "nothing", change };
    },
  };
}

/** The directories above, the root (`""`) the last. */
function ancestorsOf(file: string): string[] {
  const ancestors: string[] = [];
  let directory = file;
  while (directory !== "") {
    directory = directory.slice(0, Math.max(directory.lastIndexOf("/"), 0));
    ancestors.push(directory);
  }
  return ancestors;
}
