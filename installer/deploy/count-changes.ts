import { HelperError } from "../../runtime/base/errors.ts";
import type { Disk } from "../../runtime/disk/disk.ts";
import type { BootedStatus } from "../../runtime/records/boot-record.ts";
import { findRecord } from "../../runtime/records/rwlayer-state.ts";

/**
 * How many files of the running root have got other contents since init had it: a new root has none of
 * that. What was deleted, or changed in its attributes alone, is not counted.
 * @returns `undefined` where that cannot be told
 */
export async function countChanges(
  disk: Disk,
  { root, subvolumeUuid }: BootedStatus,
): Promise<number | undefined> {
  const { state } = disk.tryToReadState();
  const { handedOver } = findRecord(state, subvolumeUuid ?? "") ?? {};
  if (root === null || typeof handedOver !== "number") return undefined;
  try {
    // The number that is given counts as new.
    const since = String(handedOver + 1);
    const command = ["btrfs", "subvolume", "find-new", disk.at(root), since];
    const { stdout } = await disk.host.run(command);
    return countFiles(stdout.toString("latin1"));
  } catch (error) {
    if (error instanceof HelperError) return undefined;
    throw error;
  }
}

/**
 * Counts the files in what `btrfs subvolume find-new` prints, a line for each extent.
 * @see https://btrfs.readthedocs.io/en/latest/btrfs-subvolume.html (find-new)
 */
export function countFiles(text: string): number {
  return new Set(
    Array.from(
      text.matchAll(/^inode (\d+) file offset /gm),
      ([, inode]) => inode,
    ),
  ).size;
}
