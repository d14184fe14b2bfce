import { SUBVOLUME_INODE } from "../disk/btrfs.ts";
import {
  becomesGap,
  gapOf,
  type SubvolumeGap,
} from "../disk/subvolume-gaps.ts";
import type { Host } from "../host/host.ts";
import { bytesOf, type ListedLayer } from "../tree/layer.ts";
import type { MergePlan } from "../tree/merge-plan.ts";
import { createMergedTree, type BaseTree } from "../tree/merged-tree.ts";
import { planMerge } from "../tree/plan-merge.ts";

/** What is done to a snapshot before layers are laid over it. */
interface SnapshotChanges {
  /** Whether it is a snapshot at all, which has gaps; an overlay shows all as it is. */
  readonly isSnapshot?: boolean;
  /** What is removed; relative, in UTF-8. */
  readonly removed?: readonly string[];
  /** Which gaps are filled; relative, in UTF-8. */
  readonly filled?: readonly string[];
  /** Whether snapshots of nested subvolumes are put where those are. */
  readonly hasNested?: boolean;
}

/**
 * Plans how layers are laid over a snapshot of a directory.
 * @throws BootError TOPLAYER_UNSUITABLE
 */
export function planOverSnapshot(
  host: Host,
  layers: readonly ListedLayer[],
  directory: string,
  changes: SnapshotChanges,
): MergePlan {
  const base = readSnapshotTree(host, directory, changes);
  const plan = planMerge(layers, createMergedTree(base));
  const fills = base.gaps().map((gap) => ({ kind: "fillGap", gap }) as const);
  return { ...plan, actions: [...fills, ...plan.actions] };
}

interface SnapshotTree extends BaseTree {
  /** The gaps that were seen so far, but for those that are filled; paths are as in `BaseTree`. */
  gaps(): readonly SubvolumeGap[];
}

/** A snapshot of a directory. It need not be there yet: the directory is what is looked at. */
export function readSnapshotTree(
  host: Host,
  directory: string,
  {
    isSnapshot = true,
    removed = [],
    filled = [],
    hasNested = false,
  }: SnapshotChanges = {},
): SnapshotTree {
  const asBytes = (file: string) => Buffer.from(file).toString("latin1");
  const gone = new Set(removed.map(asBytes));
  const gaps = new Map<string, SubvolumeGap | "filled">(
    filled.map((file) => [asBytes(file), "filled"]),
  );
  const isInGap = (file: string) =>
    gaps.size > 0 &&
    Array.from(file.matchAll(/\//g), ({ index }) => file.slice(0, index)).some(
      (parent) => gaps.has(parent),
    );
  return {
    look: (file) => {
      if (gone.has(file) || isInGap(file)) return undefined;
      const whole = bytesOf(directory, file);
      const found = host.files.lookAt(whole);
      if (found === undefined || !isSnapshot || !becomesGap(found)) {
        return found;
      }
      const isNested = hasNested && found.inode === SUBVOLUME_INODE;
      const status = isNested ? undefined : host.files.statusOf(whole);
      if (status !== undefined && !gaps.has(file)) {
        gaps.set(file, gapOf(file, status));
      }
      return found;
    },
    gaps: () => [...gaps.values()].filter((gap) => gap !== "filled"),
  };
}
