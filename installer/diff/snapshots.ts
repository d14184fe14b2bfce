import { BootError } from "../../runtime/base/errors.ts";
import { summarizeFailure } from "../../runtime/base/failure.ts";
import { readSubvolume, snapshotSubvolume } from "../../runtime/disk/btrfs.ts";
import type { Disk } from "../../runtime/disk/disk.ts";
import { deleteTree, findTree } from "../../runtime/disk/subvolumes.ts";
import {
  findRecord,
  withRecord,
  type SubvolumeRecord,
} from "../../runtime/records/rwlayer-state.ts";

/**
 * Has a read-only snapshot of a root for as long as the work takes: what is compared must not change meanwhile.
 * @param root relative to the top level; `record` is its own
 * @param work gets where it is, relative to the top level
 * @throws BootError FILE_FOREIGN where something else has its place, HelperError, and what the work throws
 */
export async function withSnapshot<T>(
  disk: Disk,
  root: string,
  record: SubvolumeRecord,
  work: (snapshot: string) => Promise<T>,
): Promise<T> {
  const { host, paths } = disk;
  await removeSnapshot(disk, record);
  if (host.files.statusOf(disk.at(paths.compared)) !== undefined) {
    throw new BootError(
      "FILE_FOREIGN",
      `${paths.compared} is in the way: dockroot did not make it`,
      {
        hint: "Nothing is changed. If nobody needs it, mount the filesystem with -o subvolid=5 and delete it there.",
      },
    );
  }
  try {
    await snapshotSubvolume(host, disk.at(root), disk.at(paths.compared), true);
    return await work(paths.compared);
  } finally {
    // What stays is removed by the next one.
    await removeSnapshot(disk, record).catch((error: unknown) => {
      host.log.warn(summarizeFailure(error));
    });
  }
}

/** Removes what an interruption has left: it is ours where btrfs says that it is a snapshot of a root of ours. */
async function removeSnapshot(
  disk: Disk,
  record: SubvolumeRecord,
): Promise<void> {
  const { compared } = disk.paths;
  if (!disk.hasSubvolume(compared)) return;
  const { parentUuid } = await readSubvolume(disk.host, disk.at(compared));
  const { state } = disk.tryToReadState();
  const known = withRecord(state, record);
  if (findRecord(known, parentUuid ?? "") === undefined) return;
  await deleteTree(disk, await findTree(disk, compared));
}
