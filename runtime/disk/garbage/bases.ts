import path from "node:path";
import { asFailureOf, summarizeFailure } from "../../base/failure.ts";
import type { FinishedBoot } from "../../records/boot-record.ts";
import {
  findRecord,
  type SubvolumeRecord,
} from "../../records/rwlayer-state.ts";
import { readSubvolume, snapshotSubvolume } from "../btrfs.ts";
import type { Disk } from "../disk.ts";
import { deleteTree, findListed, findTree } from "../subvolumes.ts";
import type { GarbageContext } from "./collect-garbage.ts";

/**
 * A root's base is a read-only snapshot of it as it was when init got it: what has changed since can be told by
 * it. It has the number of the root's boot for a name, and is proved ours by btrfs's own word that it is a
 * snapshot of a root of ours. It goes before its root does, since the root's record is what proves that.
 */
export function baseOf(disk: Disk, { boot }: SubvolumeRecord): string {
  return path.join(disk.paths.bases, String(boot));
}

/** Whether something stands in the place of a root's base. */
export function hasBase(disk: Disk, record: SubvolumeRecord): boolean {
  const { host, paths } = disk;
  return (
    host.files.statusOf(disk.at(paths.bases))?.kind === "directory" &&
    disk.hasSubvolume(baseOf(disk, record))
  );
}

/** Takes the base of the root that init is about to get. What fails is warned of: the root boots without one. */
export async function takeBase(
  { disk, state }: GarbageContext,
  { root, subvolumeUuid }: FinishedBoot,
): Promise<void> {
  const record = findRecord(state, subvolumeUuid);
  if (record === undefined) return;
  const { host, paths } = disk;
  try {
    if (!disk.hasDirectory(paths.bases)) {
      host.files.createDirectory(disk.at(paths.bases), 0o700);
    }
    const base = disk.at(baseOf(disk, record));
    if (disk.hasSubvolume(baseOf(disk, record))) {
      const { parentUuid } = await readSubvolume(host, base);
      // Taken by a finish that could not record that.
      if (parentUuid === subvolumeUuid) return;
    }
    await snapshotSubvolume(host, disk.at(root), base, true);
  } catch (error) {
    const failure = asFailureOf("keep what root was before init", error);
    host.log.warn(summarizeFailure(failure));
  }
}

/** Removes the snapshot that a `diff` has left which was interrupted, as long as the root's record proves that it is ours. */
export async function removeCompared({
  disk,
  list,
  state,
}: GarbageContext): Promise<void> {
  const { compared } = disk.paths;
  try {
    const facts = await findListed(disk, list, compared);
    if (findRecord(state, facts?.parentUuid ?? "") === undefined) return;
    await deleteTree(disk, await findTree(disk, compared, list));
  } catch (error) {
    const failure = asFailureOf(`remove ${compared}`, error);
    disk.host.log.warn(summarizeFailure(failure));
  }
}

/** Removes the base of a root that is to be removed. @throws HelperError, BootError */
export async function removeBase(
  context: GarbageContext,
  record: SubvolumeRecord,
): Promise<void> {
  const { disk, list } = context;
  if (!hasBase(disk, record)) return;
  const base = baseOf(disk, record);
  const facts = await findListed(disk, list, base);
  if (facts?.parentUuid !== record.uuid) return;
  await deleteTree(disk, await findTree(disk, base, list));
}

/** Removes the bases of roots that somebody else has removed; one that is not proved ours stays. */
export async function removeOrphanBases(
  context: GarbageContext,
): Promise<void> {
  const { disk, list, state } = context;
  for (const record of state.subvolumes) {
    if (list.mayHave(record.uuid)) continue;
    try {
      await removeBase(context, record);
    } catch (error) {
      const failure = asFailureOf(`remove ${baseOf(disk, record)}`, error);
      disk.host.log.warn(summarizeFailure(failure));
    }
  }
}
