import { isBelow } from "../base/is-below.ts";
import {
  requireNameable,
  pathIn,
  showPath,
  type LayerEntry,
  type ListedLayer,
  parseWhiteout,
} from "./layer.ts";
import type {
  EntryChange,
  Landing,
  MergeAction,
  MergePlan,
} from "./merge-plan.ts";
import type { MergedTree } from "./merged-tree.ts";
import {
  finishLayer,
  landingIn,
  put,
  refuseWhileOpen,
  remove,
  tell,
  type Merging,
  type MergeResult,
} from "./merging.ts";

/**
 * Decides how layers are laid over a tree, each over the result of the one before.
 *
 * A directory is handed to cp as a whole where cp does with all in it what is meant. It is taken apart
 * where something in it must not be copied (whiteouts, sockets), or lands elsewhere: a directory where
 * the tree has a symlink to one.
 * @param tree becomes what it is after all layers
 * @param report gets what becomes of each entry
 * @throws BootError TOPLAYER_UNSUITABLE for a name that would have to be named to cp and cannot, and
 *   where a layer leads by way of symlinks to what it is being laid over, and removes that
 */
export function planMerge(
  layers: readonly ListedLayer[],
  tree: MergedTree,
  report?: (change: EntryChange) => void,
): MergePlan {
  const result: MergeResult = {
    tree,
    actions: [],
    warnings: [],
    counts: {
      files: 0,
      directories: 0,
      symlinks: 0,
      others: 0,
      replaced: 0,
      whiteouts: 0,
      skipped: 0,
    },
    report,
  };
  for (const layer of layers) {
    const merging: Merging = {
      ...result,
      layer,
      open: [],
      names: new Map(),
      origins: new Map(),
      unfinished: new Set(),
      modes: [],
    };
    mergeDirectory(merging, {
      entry: layer.root,
      path: "",
      target: "",
      through: undefined,
    });
    finishLayer(merging);
  }
  const { actions, warnings, counts } = result;
  return { actions, warnings, counts };
}

/** Takes a directory apart that lands in one of the tree. */
function mergeDirectory(merging: Merging, here: Landing): void {
  const { layer, tree, open, actions } = merging;
  open.push(here.target);
  applyWhiteouts(merging, here);
  const whole: LayerEntry[] = [];
  const apart: Landing[] = [];
  for (const child of here.entry.children) {
    if (parseWhiteout(child.name) !== undefined) continue;
    const landing = landingIn(here, child);
    if (child.kind === "socket") skipSocket(merging, landing);
    else if (child.kind === "overlay-whiteout") skipWhiteout(merging, landing);
    else if (mustBeTakenApart(tree, child, landing.target)) apart.push(landing);
    else whole.push(child);
  }
  for (const batch of batchesOf(whole, here.path)) {
    const call: MergeAction = {
      kind: "copy",
      layer,
      from: here.path,
      names: batch.map(({ name }) => name),
      to: here.target,
    };
    for (const child of batch) mergeWhole(merging, here, child, call);
    actions.push(call);
  }
  for (const landing of apart) mergeApart(merging, landing);
  open.pop();
}

/** Plans what the whiteouts of a directory remove. */
function applyWhiteouts(merging: Merging, here: Landing): void {
  const { tree, actions } = merging;
  const whiteouts = here.entry.children.flatMap((entry) => {
    const whiteout = parseWhiteout(entry.name);
    if (whiteout === undefined) return [];
    const path = pathIn(here.path, entry.name);
    return [{ whiteout, landing: { ...here, entry, path } }];
  });
  // What empties the directory comes first.
  for (const { whiteout, landing } of whiteouts) {
    const { path, target } = landing;
    if (whiteout.kind === "opaque") {
      tell(merging, landing, "empty", "directory");
      refuseWhileOpen(merging, path, (open) => isBelow(open, target));
      actions.push({ kind: "empty", path: target });
      tree.empty(target);
    }
    if (whiteout.kind === "invalid") {
      skipWhiteout(merging, landing);
    }
  }
  for (const { whiteout, landing } of whiteouts) {
    if (whiteout.kind !== "delete") continue;
    const target = pathIn(here.target, whiteout.name);
    const replaced = tree.at(target)?.kind;
    const deleted = { ...landing, target };
    tell(merging, deleted, "delete", replaced);
    if (replaced !== undefined) remove(merging, deleted);
  }
}

function skipWhiteout(merging: Merging, landing: Landing): void {
  tell(merging, landing, "skip", undefined);
  merging.warnings.push(
    `the top layer's ${showPath(landing.path)} is not a valid whiteout, and is skipped`,
  );
}

function skipSocket(merging: Merging, landing: Landing): void {
  const { tree, warnings } = merging;
  tell(merging, landing, "skip", tree.at(landing.target)?.kind);
  warnings.push(`the top layer's socket ${showPath(landing.path)} is skipped`);
}

/** Whether cp would do something else with it than what is meant. */
function mustBeTakenApart(
  tree: MergedTree,
  entry: LayerEntry,
  target: string,
): boolean {
  if (!entry.isPlain) return true;
  if (entry.kind !== "directory") return false;
  const present = tree.at(target);
  if (present?.kind === "symlink") {
    return directoryBehind(tree, target) !== undefined;
  }
  return present?.kind === "directory" && hasParts(tree, entry, target);
}

function hasParts(
  tree: MergedTree,
  { children }: LayerEntry,
  target: string,
): boolean {
  return children.some((child) =>
    mustBeTakenApart(tree, child, pathIn(target, child.name)),
  );
}

/** Where a symlink leads; `undefined` where that is no directory. */
function directoryBehind(tree: MergedTree, link: string): string | undefined {
  const target = tree.resolve(link);
  return target !== undefined && tree.at(target)?.kind === "directory"
    ? target
    : undefined;
}

/** A directory that leads elsewhere, or that holds what cp must not copy. */
function mergeApart(merging: Merging, given: Landing): void {
  const { layer, tree, actions, unfinished } = merging;
  requireNameable(given.path, "the top layer");
  const behind =
    tree.at(given.target)?.kind === "symlink"
      ? directoryBehind(tree, given.target)
      : undefined;
  const landing =
    behind === undefined
      ? given
      : { ...given, target: behind, through: given.target };
  const { entry, path: from, target: to } = landing;
  requireNameable(to, "the image");
  const isNew = put(merging, landing);
  if (to !== "" && !hasParts(tree, entry, to)) {
    const call: MergeAction = { kind: "copyDirectory", layer, from, to };
    for (const child of entry.children) {
      mergeWhole(merging, landing, child, call);
    }
    actions.push(call);
    return;
  }
  if (isNew) actions.push({ kind: "makeDirectory", path: to });
  mergeDirectory(merging, landing);
  unfinished.add(to);
}

/** An entry, with all in it, that a call of cp copies. */
function mergeWhole(
  merging: Merging,
  parent: Landing,
  entry: LayerEntry,
  call: MergeAction,
): void {
  const landing = landingIn(parent, entry);
  put(merging, landing);
  if (entry.inode !== undefined) {
    const known = merging.names.get(entry.inode) ?? [];
    known.push({ landing, call, parent: parent.target });
    merging.names.set(entry.inode, known);
  }
  for (const child of entry.children) mergeWhole(merging, landing, child, call);
}

/**
 * The names of one call of cp, with what the kernel needs for each: far below what it takes at least,
 * see execve(2).
 */
const MAX_ARGUMENT_BYTES = 96 * 1024;

const ARGUMENT_OVERHEAD_BYTES = 9;

/**
 * The entries of a directory in as many lists as cp must be called for.
 * @param from the directory's path in the layer
 * @throws BootError TOPLAYER_UNSUITABLE
 */
export function batchesOf(
  entries: readonly LayerEntry[],
  from: string,
): LayerEntry[][] {
  for (const { name } of entries) {
    requireNameable(pathIn(from, name), "the top layer");
  }
  const batches: LayerEntry[][] = [];
  let room = 0;
  for (const entry of entries) {
    const bytes = entry.name.length + ARGUMENT_OVERHEAD_BYTES;
    if (bytes > room) {
      batches.push([]);
      room = MAX_ARGUMENT_BYTES;
    }
    room -= bytes;
    batches.at(-1)?.push(entry);
  }
  return batches;
}
