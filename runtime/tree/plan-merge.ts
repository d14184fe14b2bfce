import { applyWhiteouts, parseWhiteout } from "./whiteout.ts";
import { batchesOf, requireNameable, finishLayer } from "./cp-arguments.ts";
import {
  pathIn,
  showPath,
  type LayerEntry,
  type ListedLayer,
} from "./layer.ts";
import type { FileKind } from "../host/files.ts";
import type {
  EntryChange,
  MergeAction,
  MergeCounts,
  MergePlan,
} from "./merge-plan.ts";
import {
  createMergedTree,
  type BaseTree,
  type MergedTree,
  type PathState,
} from "./merged-tree.ts";
import { type Merging, type Place, remove } from "./merging.ts";
import { safeMode } from "./safe-mode.ts";

/**
 * Decides how layers are laid over a tree, each over the result of the one before.
 *
 * A directory is handed to cp as a whole where cp does with all in it what is meant. It is taken apart
 * where something in it must not be copied (whiteouts, sockets), or lands elsewhere: a directory where
 * the tree has a symlink to one.
 * @param report gets what becomes of each entry
 * @throws BootError TOPLAYER_UNSUITABLE for a name that would have to be named to cp and cannot, and
 *   where a layer leads by way of symlinks to what it is being laid over, and removes that
 */
export function planMerge(
  layers: readonly ListedLayer[],
  base: BaseTree,
  report?: (change: EntryChange) => void,
): MergePlan {
  const tree = createMergedTree(base);
  const actions: MergeAction[] = [];
  const warnings: string[] = [];
  const counts = {
    files: 0,
    directories: 0,
    symlinks: 0,
    others: 0,
    replaced: 0,
    whiteouts: 0,
    skipped: 0,
  };
  for (const layer of layers) {
    const merging: Merging = {
      ...{ layer, tree, actions, warnings },
      report: (change) => {
        for (const key of countedAs(change)) counts[key] += 1;
        report?.({ ...change, layer });
      },
      open: [],
      names: new Map(),
      origins: new Map(),
      unfinished: new Set(),
      modes: [],
    };
    mergeDirectory(merging, layer.root, "", { path: "", through: undefined });
    finishLayer(merging);
  }
  return { actions, warnings, counts };
}

function countedAs({
  kind,
  effect,
}: Pick<EntryChange, "kind" | "effect">): (keyof MergeCounts)[] {
  if (effect === "skip") return ["skipped"];
  if (effect === "delete" || effect === "empty") return ["whiteouts"];
  const copied = COUNTED_KINDS[kind] ?? "others";
  return effect === "replace" ? [copied, "replaced"] : [copied];
}

const COUNTED_KINDS: Partial<Record<FileKind, keyof MergeCounts>> = {
  file: "files",
  directory: "directories",
  symlink: "symlinks",
};

/** Takes a directory apart. @param from its path in the layer @param place is a directory of the tree */
function mergeDirectory(
  merging: Merging,
  directory: LayerEntry,
  from: string,
  place: Place,
): void {
  merging.open.push(place.path);
  applyWhiteouts(merging, directory, from, place);
  const whole: LayerEntry[] = [];
  const apart: LayerEntry[] = [];
  for (const child of directory.children) {
    if (parseWhiteout(child.name) !== undefined) continue;
    if (child.kind === "socket") skipSocket(merging, child, from, place);
    else if (mustBeTakenApart(merging.tree, child, placeOf(place, child))) {
      apart.push(child);
    } else whole.push(child);
  }
  for (const batch of batchesOf(whole, from)) {
    const call: MergeAction = {
      kind: "copy",
      layer: merging.layer,
      from,
      names: batch.map(({ name }) => name),
      to: place.path,
    };
    for (const child of batch) {
      mergeWhole(merging, child, { from, to: place }, call);
    }
    merging.actions.push(call);
  }
  for (const child of apart) mergeApart(merging, child, from, place);
  merging.open.pop();
}

function skipSocket(
  { tree, warnings, report }: Merging,
  { name, kind }: LayerEntry,
  from: string,
  place: Place,
): void {
  const own = pathIn(from, name);
  const target = pathIn(place.path, name);
  const replaced = tree.at(target)?.kind;
  report({
    ...{ path: own, kind, effect: "skip", target, replaced },
    through: place.through,
  });
  warnings.push(`the top layer's socket ${showPath(own)} is skipped`);
}

/** Whether cp would do something else with it than what is meant. */
function mustBeTakenApart(
  tree: MergedTree,
  entry: LayerEntry,
  target: string,
): boolean {
  if (!entry.isPlain) return true;
  if (entry.kind !== "directory") return false;
  const pathState = tree.at(target);
  if (pathState?.kind === "symlink") {
    return tree.directoryBehind(target) !== undefined;
  }
  return (
    pathState?.kind === "directory" &&
    entry.children.some((child) =>
      mustBeTakenApart(tree, child, pathIn(target, child.name)),
    )
  );
}

/** A directory that leads elsewhere, or that holds what cp must not copy. */
function mergeApart(
  merging: Merging,
  directory: LayerEntry,
  parent: string,
  parentPlace: Place,
): void {
  const { layer, tree, actions, origins, unfinished } = merging;
  const from = pathIn(parent, directory.name);
  requireNameable(from, "the top layer");
  const here = placeOf(parentPlace, directory);
  const behind =
    tree.at(here)?.kind === "symlink" ? tree.directoryBehind(here) : undefined;
  const place: Place =
    behind === undefined
      ? { path: here, through: parentPlace.through }
      : { path: behind, through: here };
  requireNameable(place.path, "the image");
  const isNew = makeRoom(merging, directory, from, place);
  const isWhole =
    place.path !== "" &&
    !directory.children.some((child) =>
      mustBeTakenApart(tree, child, placeOf(place, child)),
    );
  tree.put(place.path, directory);
  origins.set(place.path, from);
  if (isWhole) {
    const call: MergeAction = {
      kind: "copyDirectory",
      ...{ layer, from, to: place.path },
    };
    for (const child of directory.children) {
      mergeWhole(merging, child, { from, to: place }, call);
    }
    actions.push(call);
  } else {
    if (isNew) actions.push({ kind: "makeDirectory", path: place.path });
    mergeDirectory(merging, directory, from, place);
    unfinished.add(place.path);
  }
  if (isNew) setSafeMode(merging, directory, from, place.path);
}

/**
 * An entry, with all in it, that a call of cp copies.
 * @param parents the directory that it is in, and where that lands
 */
function mergeWhole(
  merging: Merging,
  entry: LayerEntry,
  parents: { readonly from: string; readonly to: Place },
  call: MergeAction,
): void {
  const { tree, names, origins } = merging;
  const from = pathIn(parents.from, entry.name);
  const place: Place = {
    path: placeOf(parents.to, entry),
    through: parents.to.through,
  };
  const isNew = makeRoom(merging, entry, from, place);
  tree.put(place.path, entry);
  if (entry.kind === "directory") origins.set(place.path, from);
  if (isNew) setSafeMode(merging, entry, from, place.path);
  if (entry.inode !== undefined) {
    const known = names.get(entry.inode) ?? [];
    known.push({ entry, path: place.path, call, parent: parents.to.path });
    names.set(entry.inode, known);
  }
  for (const child of entry.children) {
    mergeWhole(merging, child, { from, to: place }, call);
  }
}

function setSafeMode(
  { layer, modes }: Merging,
  entry: LayerEntry,
  from: string,
  path: string,
): void {
  if (!layer.isOwnerless) return;
  if (entry.kind !== "file" && entry.kind !== "directory") return;
  modes.push({ entry, path, mode: safeMode(from, entry.kind) });
}

function placeOf(parent: Place, { name }: LayerEntry): string {
  return pathIn(parent.path, name);
}

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
  const pathState = tree.at(target);
  const replaced = pathState?.kind;
  const merges = kind === "directory" && replaced === "directory";
  const effect = merges ? "merge" : replaced === undefined ? "add" : "replace";
  report({ path, kind, effect, target, through, replaced });
  // The root keeps its own attributes, and so does all into which comes what has none.
  const keepsMode = target === "" || layer.isOwnerless;
  if (merges && !keepsMode && pathState?.hasSpecialBits === true) {
    actions.push({ kind: "clearSpecialBits", path: target });
  }
  const isNotForCp = kind === "directory" || replaced === "directory";
  if (pathState !== undefined && !merges && isNotForCp) {
    remove(merging, path, target);
    const where = path === target ? "" : `, at ${showPath(target)}`;
    warnings.push(
      `the top layer's ${kind} ${showPath(path)} replaces ${describeReplaced(pathState)}${where}`,
    );
  }
  return !merges;
}

function describeReplaced(pathState: PathState): string {
  const whose = "children" in pathState ? "the top layer" : "the image";
  return pathState.kind === "symlink"
    ? `a symlink of ${whose}, which leads to no directory`
    : `a ${pathState.kind} of ${whose}`;
}
