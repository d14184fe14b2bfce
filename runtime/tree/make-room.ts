import { showPath, type LayerEntry } from "./layer.ts";
import { remove, type Merging, type Place } from "./merging.ts";
import type { Standing } from "./merged-tree.ts";

/**
 * Removes and clears what cp would stumble over, and reports what becomes of the entry.
 * @returns whether it is new there: all but a directory into one that is there
 */
export function makeRoom(
  merging: Merging,
  { kind }: LayerEntry,
  path: string,
  { path: target, through }: Place,
): boolean {
  const { layer, tree, actions, warnings, report } = merging;
  const standing = tree.at(target);
  const replaced = standing?.kind;
  const merges = kind === "directory" && replaced === "directory";
  const effect = merges ? "merge" : replaced === undefined ? "add" : "replace";
  report({ path, kind, effect, target, through, replaced });
  // The root keeps its own attributes, and so does all into which comes what has none.
  const keepsMode = target === "" || layer.isOwnerless;
  if (merges && !keepsMode && standing?.hasSpecialBits === true) {
    actions.push({ kind: "clearSpecialBits", path: target });
  }
  const isNotForCp = kind === "directory" || replaced === "directory";
  if (standing !== undefined && !merges && isNotForCp) {
    remove(merging, path, target);
    const where = path === target ? "" : `, at ${showPath(target)}`;
    warnings.push(
      `the top layer's ${kind} ${showPath(path)} replaces ${describeReplaced(standing)}${where}`,
    );
  }
  return !merges;
}

function describeReplaced(standing: Standing): string {
  const whose = "children" in standing ? "the top layer" : "the image";
  return standing.kind === "symlink"
    ? `a symlink of ${whose}, which leads to no directory`
    : `a ${standing.kind} of ${whose}`;
}
