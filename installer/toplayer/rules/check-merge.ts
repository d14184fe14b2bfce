import type { CheckedEntry, CheckFacts } from "./check-facts.ts";
import { problemOf, type Problem } from "./problem.ts";
import { isEssential } from "./accounts.ts";

/** What the merge does that its owner may not expect. */
export function checkMerge({ entries }: CheckFacts): Problem[] {
  return entries.flatMap((entry) => [
    ...checkUnreadable(entry),
    ...checkReplaced(entry),
    ...checkSkipped(entry),
  ]);
}

function checkUnreadable(entry: CheckedEntry): Problem[] {
  if (entry.refused === undefined) return [];
  return [
    problemOf(
      entry,
      "error",
      "unreadable",
      `${entry.path} cannot be read (${entry.refused}): the start fails when it is copied`,
      "Restore the file, or remove it from the top layer.",
    ),
  ];
}

function checkReplaced(entry: CheckedEntry): Problem[] {
  const { effect, kind, replaced, path, target } = entry;
  if (effect !== "replace" || replaced === null) return [];
  if (kind !== "directory" && replaced !== "directory") return [];
  const isLost = kind !== "directory" && isEssential(target);
  const where = path === target ? "" : `, at ${target}`;
  const all = replaced === "directory" ? ", with all that is in it" : "";
  const dead = replaced === "symlink" ? ", which leads to no directory" : "";
  return [
    problemOf(
      entry,
      isLost ? "error" : "warning",
      "replaced",
      `the ${kind} ${path} replaces a ${replaced} of the image${dead}${all}${where}`,
      "Where that is not meant, remove it from the top layer or give it another name.",
    ),
  ];
}

function checkSkipped(entry: CheckedEntry): Problem[] {
  const { effect, kind, path, target, replaced } = entry;
  if (effect === "delete" && replaced === null) {
    return [
      problemOf(
        entry,
        "warning",
        "whiteout-idle",
        `the whiteout ${path} deletes nothing: there is no ${target}`,
        "Correct its name, or remove it.",
      ),
    ];
  }
  if (effect !== "skip") return [];
  return [
    kind === "socket"
      ? problemOf(
          entry,
          "warning",
          "socket",
          `the socket ${path} is not copied`,
          "Remove it: the program that listens there makes it anew.",
        )
      : problemOf(
          entry,
          "warning",
          "whiteout-invalid",
          `${path} is not a valid whiteout, and is not copied`,
          "Write .wh.NAME to delete NAME, or .wh..wh..opq to empty the directory.",
        ),
  ];
}
