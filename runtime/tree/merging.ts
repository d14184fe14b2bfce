import { isBelow } from "../base/is-below.ts";
import { BootError } from "../base/errors.ts";
import type { FileKind } from "../host/files.ts";
import {
  countedAs,
  pathIn,
  showPath,
  type LayerEntry,
  type ListedLayer,
  requireNameable,
} from "./layer.ts";
import type {
  DirectoryPair,
  Effect,
  EntryChange,
  Landing,
  MergeAction,
  MergeCounts,
} from "./merge-plan.ts";
import type { MergedTree } from "./merged-tree.ts";
import { safeMode } from "./safe-mode.ts";

/** What merging layers into a tree comes to. */
export interface MergeResult {
  readonly tree: MergedTree;
  readonly actions: MergeAction[];
  readonly warnings: string[];
  readonly counts: { -readonly [what in keyof MergeCounts]: number };
  readonly report: ((change: EntryChange) => void) | undefined;
}

/** One name of a file that has several, and the call of cp that copies it. */
interface CopiedName {
  readonly landing: Landing;
  readonly call: MergeAction;
  /** The directory that it lands in. */
  readonly parent: string;
}

/** A layer that is being laid over a tree. */
export interface Merging extends MergeResult {
  readonly layer: ListedLayer;
  /** The directories of the tree that are being filled, each reached by way of the one before. */
  readonly open: string[];
  /** By inode. */
  readonly names: Map<string, CopiedName[]>;
  /** Directories of the tree to those of the layer that gave them their attributes last. */
  readonly origins: Map<string, string>;
  /** Directories of the tree that change after cp has given them their attributes, or get none by it. */
  readonly unfinished: Set<string>;
  /** Of what is new, where the filesystem of the layer keeps none. */
  readonly modes: { landing: Landing; mode: number }[];
}

export function landingIn(parent: Landing, entry: LayerEntry): Landing {
  return {
    entry,
    path: pathIn(parent.path, entry.name),
    target: pathIn(parent.target, entry.name),
    through: parent.through,
  };
}

/** Counts and reports what becomes of an entry. */
export function tell(
  { counts, report, layer }: Merging,
  landing: Landing,
  effect: Effect,
  replaced: FileKind | undefined,
): void {
  if (effect === "skip") counts.skipped += 1;
  else if (effect === "delete" || effect === "empty") counts.whiteouts += 1;
  else {
    counts[countedAs(landing.entry.kind)] += 1;
    if (effect === "replace") counts.replaced += 1;
  }
  report?.({ ...landing, layer, effect, replaced });
}

/**
 * Puts an entry into the tree, after what cp would stumble over is removed and cleared.
 * @returns whether it is new there: all but a directory into one that is there
 * @throws BootError TOPLAYER_UNSUITABLE
 */
export function put(merging: Merging, landing: Landing): boolean {
  const { layer, tree, actions, warnings, origins, modes } = merging;
  const { entry, path, target } = landing;
  const { kind } = entry;
  const present = tree.at(target);
  const merges = kind === "directory" && present?.kind === "directory";
  tell(
    merging,
    landing,
    merges ? "merge" : present === undefined ? "add" : "replace",
    present?.kind,
  );
  // The root keeps its own attributes, and so does all into which comes what has none.
  const keepsMode = target === "" || layer.isOwnerless;
  if (merges && !keepsMode && present.hasSpecialBits) {
    actions.push({ kind: "clearSpecialBits", path: target });
  }
  const isNotForCp = kind === "directory" || present?.kind === "directory";
  if (present !== undefined && !merges && isNotForCp) {
    remove(merging, landing);
    const whose = "children" in present ? "the top layer" : "the image";
    const what =
      present.kind === "symlink"
        ? `a symlink of ${whose}, which leads to no directory`
        : `a ${present.kind} of ${whose}`;
    const where = path === target ? "" : `, at ${showPath(target)}`;
    warnings.push(
      `the top layer's ${kind} ${showPath(path)} replaces ${what}${where}`,
    );
  }
  tree.put(target, entry);
  if (kind === "directory") origins.set(target, path);
  if (
    !merges &&
    layer.isOwnerless &&
    (kind === "file" || kind === "directory")
  ) {
    modes.push({ landing, mode: safeMode(path, kind) });
  }
  return !merges;
}

/**
 * Plans that what stands at an entry's target goes.
 * @throws BootError TOPLAYER_UNSUITABLE
 */
export function remove(merging: Merging, { path, target }: Landing): void {
  refuseWhileOpen(
    merging,
    path,
    (open) => open === target || isBelow(open, target),
  );
  merging.actions.push({ kind: "remove", path: target });
  merging.tree.remove(target);
}

/**
 * What would go on in a directory that is gone would go on elsewhere.
 * @param path what in the layer removes directories
 * @throws BootError TOPLAYER_UNSUITABLE
 */
export function refuseWhileOpen(
  { open }: Merging,
  path: string,
  isGone: (directory: string) => boolean,
): void {
  const gone = open.find(isGone);
  if (gone === undefined) return;
  throw new BootError(
    "TOPLAYER_UNSUITABLE",
    `the top layer's ${showPath(path)} leads through symlinks to ${showPath(gone)}, which would be removed while the top layer is copied into it`,
    { hint: "Remove that entry from the top layer." },
  );
}

/** Plans what must be done when all of a layer is copied. @throws BootError TOPLAYER_UNSUITABLE */
export function finishLayer({
  layer,
  tree,
  actions,
  names,
  origins,
  unfinished,
  modes,
}: Merging): void {
  // A name may have been taken by another entry since, through a link of the tree.
  const isThere = ({ landing }: { landing: Landing }) =>
    tree.at(landing.target) === landing.entry;
  for (const known of names.values()) {
    const [first, ...others] = known.filter(isThere);
    if (first === undefined) continue;
    const existing = first.landing.target;
    for (const { landing, call, parent } of others) {
      if (call === first.call || landing.target === existing) continue;
      actions.push({ kind: "link", existing, path: landing.target });
      unfinished.add(parent);
    }
  }
  const given = modes
    .filter(isThere)
    .map(({ landing, mode }) => ({ path: landing.target, mode }));
  if (given.length > 0) actions.push({ kind: "giveToRoot", modes: given });
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
