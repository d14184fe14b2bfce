import path from "node:path";
import { BootError } from "../../base/errors.ts";
import {
  asFailureOf,
  describeFailure,
  summarizeFailure,
} from "../../base/failure.ts";
import { listNames } from "../../base/shorten.ts";
import { readBootId } from "../../host/machine.ts";
import { generationNumbers } from "../../options/rwlayer-names.ts";
import {
  chooseRemovals,
  wasUsed,
  type FormerRoot,
} from "../../plan/choose-removals.ts";
import type { FinishedBoot } from "../../records/boot-record.ts";
import {
  describeAdopted,
  withRecord,
  type RwlayerState,
} from "../../records/rwlayer-state.ts";
import { ODD_BTRFS } from "../btrfs.ts";
import type { Disk } from "../disk.ts";
import { findMountOf, type SubvolumeMount } from "../mounts.ts";
import {
  findListed,
  listSubvolumes,
  type SubvolumeList,
} from "../subvolumes.ts";
import {
  hasBase,
  removeCompared,
  removeOrphanBases,
  takeBase,
} from "./bases.ts";
import { MAX_NAMED, removeRoots } from "./remove-roots.ts";

/** What `finish` works with. */
export interface GarbageContext {
  readonly disk: Disk;
  readonly mounts: readonly SubvolumeMount[];
  readonly list: SubvolumeList;
  /** What is known by now; not written yet. */
  state: RwlayerState;
}

/**
 * Removes what is ours and no longer needed. A boot or a `finish` may have ended at any instruction; what
 * it has left is told by state.json:
 *
 * - a staging with a record never became root: it is removed
 * - a staging without one was snapshotted a moment before: it stays, the next boot's plan deletes it
 *   where it is untouched
 * - a generation that is not complete was being removed: the rest of it goes, whatever the limit
 * - a root without a record that has one of its own (state.json was lost, or the root restored): it gets
 *   that one; where its UUID is another, it is a copy and is never removed
 * - a generation with neither is not proved ours: it stays
 * - a record of a subvolume that is gone: it is dropped
 * - another root at the place of the one that booted: a later boot made it, and it is not marked
 * - a base whose root is gone, or a snapshot with which an interrupted `diff` compared: it is removed
 * - state.json was not written (a full disk): all of this is done again by the next `finish`
 *
 * After a fallback all generations stay: one of them may be what the user looks for. What cannot be
 * removed is warned of.
 * @param isReached whether init gets the root that the boot made
 */
export async function collectGarbage(
  disk: Disk,
  boot: FinishedBoot,
  isReached: boolean,
): Promise<void> {
  try {
    const context: GarbageContext = {
      disk,
      state: disk.readState(),
      mounts: disk.readMounts(),
      list: await listSubvolumes(disk),
    };
    let written = context.state;
    const writeChanges = () => {
      if (context.state !== written) tryToWrite(disk, context.state);
      written = context.state;
    };
    requireListed(context.list, boot);
    const isNew = await markAsRoot(context, boot, isReached);
    if (boot.result === "generation") {
      writeChanges();
      return;
    }
    await removeCompared(context);
    const { generations, staging } = await findFormerRoots(context);
    writeChanges();
    const old =
      boot.result === "fallback"
        ? []
        : chooseRemovals(generations, boot.limits.generations);
    await removeRoots(context, [...old, ...staging]);
    await removeOrphanBases(context);
    // A full disk may have room by now.
    if (isNew && boot.result === "fresh") await takeBase(context, boot);
    forgetAbsent(context);
    writeChanges();
  } catch (error) {
    warnOf(disk, error);
  }
}

/** What is not listed is forgotten. @throws BootError STEP_FAILED where the list is none */
function requireListed(
  list: SubvolumeList,
  { root, subvolumeUuid }: FinishedBoot,
): void {
  if (list.mayHave(subvolumeUuid)) return;
  throw new BootError(
    "STEP_FAILED",
    `btrfs subvolume list does not list the root ${root}`,
    { hint: ODD_BTRFS },
  );
}

/**
 * Adds to the state what is known of the root that booted. Once the initramfs has mounted it, it is in use
 * for as long as this kernel runs; where nothing has mounted it, as in a rehearsal, nobody uses it.
 * @returns whether init gets it for the first time
 */
async function markAsRoot(
  context: GarbageContext,
  { root, subvolumeUuid }: FinishedBoot,
  isReached: boolean,
): Promise<boolean> {
  const { disk, mounts, list, state } = context;
  const facts = await findListed(disk, list, root);
  // Another boot has put another root there.
  if (facts?.uuid !== subvolumeUuid) return false;
  const { record, isAdopted } = disk.recordOf(root, subvolumeUuid, state);
  if (record === undefined) return false;
  if (isAdopted) context.state = withRecord(state, record);
  if (!isReached) return false;
  const isMounted = findMountOf(mounts, root) !== undefined;
  const bootId = isMounted ? readBootId(disk.host) : record.bootId;
  // Boots do not add up to use: each is counted from its own beginning.
  const handedOver = wasUsed({ record, ...facts })
    ? record.handedOver
    : facts.lastChange;
  const isNew = record.handedOver === null;
  if (record.bootId === bootId && record.handedOver === handedOver) {
    return isNew;
  }
  context.state = withRecord(state, {
    ...record,
    ...(bootId !== undefined && { bootId }),
    ...(handedOver !== undefined && { handedOver }),
  });
  return isNew;
}

/** Finds what is ours beside the rwlayer, and tells what is not, or is never removed. */
async function findFormerRoots(context: GarbageContext): Promise<{
  /** The newest last. */
  readonly generations: readonly FormerRoot[];
  /** What stands at its place, where that is ours. */
  readonly staging: readonly FormerRoot[];
}> {
  const { disk, list } = context;
  const { host, paths } = disk;
  const foreign: string[] = [];
  const find = async (file: string): Promise<FormerRoot[]> => {
    if (host.files.statusOf(disk.at(file)) === undefined) return [];
    const facts = await findListed(disk, list, file);
    const known = facts && disk.recordOf(file, facts.uuid, context.state);
    if (facts === undefined || known?.record === undefined) {
      foreign.push(file);
      return [];
    }
    const { record, isAdopted } = known;
    if (isAdopted) {
      host.log.warn(describeAdopted(file, paths));
      context.state = withRecord(context.state, record);
    }
    return [{ file, record, ...facts }];
  };
  const generations: FormerRoot[] = [];
  for (const number of generationNumbers(disk.generationNames())) {
    generations.push(
      ...(await find(path.join(paths.generations, String(number)))),
    );
  }
  const staging = await find(paths.staging);
  const warnOfKept = (files: readonly string[], why: string, how: string) => {
    if (files.length === 0) return;
    const verb = files.length === 1 ? "is" : "are";
    host.log.warn(`${listNames(files, MAX_NAMED)} ${why} and ${verb} ${how}`);
  };
  warnOfKept(foreign, "cannot be proved to be dockroot's own", "left alone");
  warnOfKept(
    generations.filter(({ record }) => record.isCopy).map(({ file }) => file),
    "stood in for a root that dockroot made",
    "never removed: delete what you do not need",
  );
  return { generations, staging };
}

/**
 * Drops the records of subvolumes that are gone, so that the state's file stays small; not those by which what was
 * snapshotted of them is known.
 */
function forgetAbsent(context: GarbageContext): void {
  const { disk, list, state } = context;
  const subvolumes = state.subvolumes.filter(
    (record) => list.mayHave(record.uuid) || hasBase(disk, record),
  );
  if (subvolumes.length === state.subvolumes.length) return;
  context.state = { ...state, subvolumes };
}

/** Where the disk takes no state (it may be full), what follows may make room. */
function tryToWrite(disk: Disk, state: RwlayerState): void {
  try {
    disk.writeState(state);
  } catch (error) {
    warnOf(disk, error);
  }
}

function warnOf({ host }: Disk, error: unknown): void {
  const failure = asFailureOf("clean up earlier roots", error);
  host.log.warn(summarizeFailure(failure), describeFailure(failure));
}
