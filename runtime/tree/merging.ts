import { BootError } from "../base/errors.ts";
import { isSameOrBelow } from "../base/is-below.ts";
import { showPath, type LayerEntry, type ListedLayer } from "./layer.ts";
import type { EntryChange, MergeAction } from "./merge-plan.ts";
import type { MergedTree } from "./merged-tree.ts";

/** Where a directory of a layer lands. */
export interface Place {
  readonly path: string;
  readonly through: string | undefined;
}

/** One name of a file that has several, and the call of cp that copies it. */
export interface CopiedName {
  readonly entry: LayerEntry;
  readonly path: string;
  readonly call: MergeAction;
  /** The directory that it lands in. */
  readonly parent: string;
}

/** A layer that is being laid over a tree. */
export interface Merging {
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

/** Plans that what stands at the target goes. @param from what in the layer wants it */
export function remove(merging: Merging, from: string, target: string): void {
  refuseWhileOpen(merging, from, (open) => isSameOrBelow(open, target));
  merging.actions.push({ kind: "remove", path: target });
  merging.tree.remove(target);
}

/** What would go on in a directory that is gone would go on elsewhere. @throws BootError TOPLAYER_UNSUITABLE */
export function refuseWhileOpen(
  { open }: Merging,
  from: string,
  isGone: (directory: string) => boolean,
): void {
  const gone = open.find(isGone);
  if (gone === undefined) return;
  throw new BootError(
    "TOPLAYER_UNSUITABLE",
    `the top layer's ${showPath(from)} leads by symlinks to ${showPath(gone)}, which would be removed while the top layer is laid over it`,
    { hint: "Take it out of the top layer." },
  );
}
