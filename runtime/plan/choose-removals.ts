import { isBelow } from "../base/is-below.ts";
import type { SubvolumeFacts } from "../disk/btrfs.ts";
import type { SubvolumeRecord } from "../records/rwlayer-state.ts";

/** An earlier root of ours. */
export interface FormerRoot extends Pick<
  SubvolumeFacts,
  "lastChange" | "madeBy"
> {
  /** Relative to the top level. */
  readonly file: string;
  readonly record: SubvolumeRecord;
}

/**
 * So many transactions after it was handed over (or made, where its handing over is not known) a root was
 * still being written to: ten minutes, as btrfs commits every 30 s. A system that only tries to start,
 * again and again, hardly comes to that.
 */
const USED_TRANSACTIONS = 20;

const TRANSACTION_MS = 30_000;

/**
 * Which earlier roots are past the limit. Of those that were used the newest are kept, and newer than
 * those as many of the others: starts that came to nothing push out no root that somebody worked in.
 * What stands in for a root of ours is neither counted nor removed. Touches nothing.
 * @param roots the newest last
 * @param limit how many of each are kept
 */
export function chooseRemovals(
  roots: readonly FormerRoot[],
  limit: number,
): FormerRoot[] {
  const kept = { used: 0, others: 0 };
  return roots
    .filter(({ record }) => record.isCopy !== true)
    .toReversed()
    .filter((root) => {
      // Its removal was interrupted.
      if (!root.record.complete) return true;
      const isUsed = wasUsed(root);
      if (kept.used >= limit || (!isUsed && kept.others >= limit)) return true;
      kept[isUsed ? "used" : "others"] += 1;
      return false;
    })
    .toReversed();
}

/**
 * What stands for the numbers of transactions of an overlay, which has none: the earliest and the latest of the times
 * at which the kernel says that something in it was changed. A clock that is set meanwhile makes it seem used.
 * @param changesMs no more of them are read than it takes to tell that it was used
 */
export function countTransactions(
  changesMs: Iterable<number>,
): Pick<FormerRoot, "lastChange" | "madeBy"> {
  let [first, last] = [Infinity, -Infinity];
  for (const changeMs of changesMs) {
    first = Math.min(first, changeMs);
    last = Math.max(last, changeMs);
    if (last - first >= USED_TRANSACTIONS * TRANSACTION_MS) break;
  }
  return { madeBy: first / TRANSACTION_MS, lastChange: last / TRANSACTION_MS };
}

/** One of which it is not known counts as used. */
export function wasUsed({
  record: { handedOver },
  lastChange,
  madeBy,
}: Omit<FormerRoot, "file">): boolean {
  if (handedOver === undefined) return true;
  return lastChange - (handedOver ?? madeBy) >= USED_TRANSACTIONS;
}

/** Where systemd makes subvolumes by itself (tmpfiles.d), which a new root has again. */
const MADE_BY_SYSTEMD = [
  "var/lib/machines",
  "var/lib/portables",
  "var/tmp",
  "tmp",
];
/** Whose subvolumes an engine makes: they are of its images and containers. Volumes are the user's. */
const ENGINE_STORES = [
  "var/lib/docker",
  "var/lib/containerd",
  "var/lib/containers",
];
const VOLUMES = [
  "var/lib/docker/volumes",
  "var/lib/containers/storage/volumes",
];

/**
 * Whether a subvolume nested in an earlier root goes with it. All others were made by the machine's user.
 * @param file relative to the root
 */
export function goesWithRoot(file: string): boolean {
  const isInOne = (directories: readonly string[]) =>
    directories.some((directory) => isBelow(file, directory));
  return (
    MADE_BY_SYSTEMD.includes(file) ||
    (isInOne(ENGINE_STORES) && !isInOne(VOLUMES))
  );
}
