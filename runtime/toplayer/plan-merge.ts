import { BootError } from "../host/errors.ts";
import {
  pathIn,
  showPath,
  type LayerEntry,
  type ListedLayer,
} from "./layer.ts";
import type {
  DirectoryPair,
  EntryChange,
  MergeAction,
  MergePlan,
} from "./merge-plan.ts";
import {
  createMergedTree,
  type BaseTree,
  type MergedTree,
} from "./merged-tree.ts";
import { safeMode } from "./safe-mode.ts";
import { parseWhiteout } from "./whiteout.ts";

/**
 * The names of one call of cp, with what the kernel needs for each: far below what it takes at least,
 * see execve(2).
 */
const MAX_ARGUMENT_BYTES = 96 * 1024;
const ARGUMENT_OVERHEAD_BYTES = 9;

/** Where a directory of a layer lands. */
interface Place {
  readonly path: string;
  readonly through: string | undefined;
}

/** One name of a file that has several, and the call of cp that copies it. */
interface CopiedName {
  readonly entry: LayerEntry;
  readonly path: string;
  readonly call: MergeAction;
  /** The directory that it lands in. */
  readonly parent: string;
}

interface Merging {
  readonly layer: ListedLayer;
  readonly tree: MergedTree;
  readonly actions: MergeAction[];
  readonly warnings: string[];
  readonly report: (change: Omit<EntryChange, "layer">) => void;
  /** The directories of the tree that are being filled, each reached by way of the one before. */
  readonly open: string[];
  /** By inode. */
  readonly names: Map<string, CopiedName[]>;
  /** Directories of the tree to those of the layer that gave them their attributes last. */
  readonly origins: Map<string, string>;
  /** Directories of the tree that change after cp has given them their attributes, or get none by it. */
  readonly unfinished: Set<string>;
  /** Of what is new, where the filesystem of the layer keeps none. */
  readonly modes: { entry: LayerEntry; path: string; mode: number }[];
}

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
  for (const layer of layers) {
    const merging: Merging = {
      ...{ layer, tree, actions, warnings },
      report: (change) => report?.({ ...change, layer }),
      open: [],
      names: new Map(),
      origins: new Map(),
      unfinished: new Set(),
      modes: [],
    };
    mergeDirectory(merging, layer.root, "", { path: "", through: undefined });
    finishLayer(merging);
  }
  return { actions, warnings };
}

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

function applyWhiteouts(
  merging: Merging,
  directory: LayerEntry,
  from: string,
  { path, through }: Place,
): void {
  const { tree, actions, warnings, report } = merging;
  const whiteouts = directory.children.flatMap((entry) => {
    const whiteout = parseWhiteout(entry.name);
    return whiteout === undefined ? [] : [{ entry, whiteout }];
  });
  // What empties the directory comes first.
  for (const { entry, whiteout } of whiteouts) {
    const own = { path: pathIn(from, entry.name), kind: entry.kind, through };
    if (whiteout.kind === "opaque") {
      report({ ...own, effect: "empty", target: path, replaced: "directory" });
      refuseWhileOpen(merging, own.path, (open) => isBelow(open, path));
      actions.push({ kind: "empty", path });
      tree.empty(path);
    }
    if (whiteout.kind === "invalid") {
      report({ ...own, effect: "skip", target: path, replaced: undefined });
      warnings.push(
        `the top layer's ${showPath(own.path)} is no whiteout that means anything, and is skipped`,
      );
    }
  }
  for (const { entry, whiteout } of whiteouts) {
    if (whiteout.kind !== "delete") continue;
    const target = pathIn(path, whiteout.name);
    const replaced = tree.at(target)?.kind;
    const own = { path: pathIn(from, entry.name), kind: entry.kind, through };
    report({ ...own, effect: "delete", target, replaced });
    if (replaced === undefined) continue;
    remove(merging, own.path, target);
  }
}

function remove(merging: Merging, from: string, target: string): void {
  refuseWhileOpen(
    merging,
    from,
    (open) => open === target || isBelow(open, target),
  );
  merging.actions.push({ kind: "remove", path: target });
  merging.tree.remove(target);
}

/** What would go on in a directory that is gone would go on elsewhere. @throws BootError TOPLAYER_UNSUITABLE */
function refuseWhileOpen(
  { open }: Merging,
  from: string,
  isGone: (directory: string) => boolean,
): void {
  const gone = open.find(isGone);
  if (gone === undefined) return;
  throw new BootError(
    "TOPLAYER_UNSUITABLE",
    `the top layer's ${showPath(from)} leads by symlinks to ${showPath(gone)}, which would be removed while the top layer is laid over it`,
    { hint: `Take ${showPath(from)} out of the top layer.` },
  );
}

function isBelow(file: string, directory: string): boolean {
  return directory === "" ? file !== "" : file.startsWith(`${directory}/`);
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
  const standing = tree.at(target);
  if (standing?.kind === "symlink") {
    return tree.directoryBehind(target) !== undefined;
  }
  return (
    standing?.kind === "directory" &&
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
    !directory.children.some(
      (child) =>
        !child.isPlain || mustBeTakenApart(tree, child, placeOf(place, child)),
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

/**
 * Removes and clears what cp would stumble over, and reports what becomes of the entry.
 * @returns whether it is new there: all but a directory into one that is there
 */
function makeRoom(
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
  if (effect === "replace" && isNotForCp) {
    remove(merging, path, target);
    const where = path === target ? "" : `, at ${showPath(target)}`;
    const whose =
      standing !== undefined && "children" in standing
        ? "the top layer"
        : "the image";
    warnings.push(
      `the top layer's ${kind} ${showPath(path)} replaces a ${replaced ?? ""} of ${whose}${replaced === "symlink" ? ", which leads to no directory" : ""}${where}`,
    );
  }
  return !merges;
}

/** What must be done when all is copied. */
function finishLayer({
  layer,
  tree,
  actions,
  names,
  origins,
  unfinished,
  modes,
}: Merging): void {
  for (const known of names.values()) {
    // A name may have been taken by another entry since, through a link of the tree.
    const standing = known.filter(({ entry, path }) => tree.at(path) === entry);
    const [first, ...others] = standing;
    if (first === undefined) continue;
    for (const { path, call, parent } of others) {
      if (call === first.call || path === first.path) continue;
      actions.push({ kind: "link", existing: first.path, path });
      unfinished.add(parent);
    }
  }
  const ofLayer = modes
    .filter(({ entry, path }) => tree.at(path) === entry)
    .map(({ path, mode }) => ({ path, mode }));
  if (ofLayer.length > 0) actions.push({ kind: "giveToRoot", modes: ofLayer });
  if (layer.isOwnerless) return;
  const directories = [...unfinished].flatMap((to): DirectoryPair[] => {
    const from = origins.get(to);
    // The root keeps its own attributes.
    if (to === "" || from === undefined) return [];
    requireNameable(from, "the top layer");
    requireNameable(to, "the image");
    return tree.at(to)?.kind === "directory" ? [{ from, to }] : [];
  });
  if (directories.length === 0) return;
  actions.push({ kind: "copyAttributes", layer, directories });
}

/** @throws BootError TOPLAYER_UNSUITABLE */
function batchesOf(
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

/** Arguments of a program are UTF-8 here. @throws BootError TOPLAYER_UNSUITABLE */
function requireNameable(file: string, whose: string): void {
  const bytes = Buffer.from(file, "latin1");
  if (bytes.equals(Buffer.from(bytes.toString("utf8")))) return;
  throw new BootError(
    "TOPLAYER_UNSUITABLE",
    `${whose} has ${showPath(file)}, a name that is not valid UTF-8`,
    { hint: "Rename it." },
  );
}

function placeOf(parent: Place, { name }: LayerEntry): string {
  return pathIn(parent.path, name);
}
