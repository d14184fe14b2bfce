import { chooseRemovals, wasUsed } from "../../plan/choose-removals.ts";
import { BootError } from "../../base/errors.ts";
import {
  asFailureOf,
  describeFailure,
  summarizeFailure,
} from "../../base/failure.ts";
import { readBootId } from "../../host/machine.ts";
import type { FinishedBoot } from "../../records/parse-boot-record.ts";
import { withRecord, type RwlayerState } from "../../records/rwlayer-state.ts";
import { ODD_BTRFS } from "../btrfs.ts";
import type { Disk } from "../disk.ts";
import { findMountOf } from "../mounts.ts";
import {
  findListed,
  listSubvolumes,
  type SubvolumeList,
} from "../subvolume-list.ts";
import { findFormerRoots, type GarbageContext } from "./former-roots.ts";
import { removeRoots } from "./remove-roots.ts";

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
    const former = disk.readState();
    const context: GarbageContext = {
      disk,
      mounts: disk.readMounts(),
      list: await listSubvolumes(disk),
    };
    requireListed(context.list, boot);
    const marked = await markAsRoot(context, former, boot, isReached);
    if (boot.result === "generation") {
      if (marked !== former) disk.writeState(marked);
      return;
    }
    const { generations, staging, state } = await findFormerRoots(
      context,
      marked,
    );
    if (state !== former) tryToWrite(disk, state);
    const old =
      boot.result === "fallback"
        ? []
        : chooseRemovals(generations, boot.limits.generations);
    const unwanted = old.map((root) => ({ ...root, wasRoot: true }));
    if (staging !== undefined) unwanted.push({ ...staging, wasRoot: false });
    const left = await removeRoots(context, state, unwanted);
    const last = forgetAbsent(context.list, left);
    if (last !== state) tryToWrite(disk, last);
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
    `the list that btrfs printed lacks the root ${root}`,
    { hint: ODD_BTRFS },
  );
}

/**
 * The state with what is known of the root that booted. Once the initramfs has mounted it, it is in use
 * for as long as this kernel runs; where nothing has mounted it, as in a rehearsal, nobody uses it.
 */
async function markAsRoot(
  { disk, mounts, list }: GarbageContext,
  state: RwlayerState,
  { root, subvolumeUuid }: FinishedBoot,
  isReached: boolean,
): Promise<RwlayerState> {
  const facts = await findListed(disk, list, root);
  // Another boot has put another root there.
  if (facts?.uuid !== subvolumeUuid) return state;
  const { record, isAdopted } = disk.recordOf(root, subvolumeUuid, state);
  if (record === undefined) return state;
  const known = isAdopted ? withRecord(state, record) : state;
  if (!isReached) return known;
  const isMounted = findMountOf(mounts, root) !== undefined;
  const bootId = isMounted ? readBootId(disk.host) : record.bootId;
  // Boots do not add up to use: each is counted from its own beginning.
  const handedOver = wasUsed({ record, ...facts })
    ? record.handedOver
    : facts.lastChange;
  if (record.bootId === bootId && record.handedOver === handedOver) {
    return known;
  }
  return withRecord(known, {
    ...record,
    ...(bootId !== undefined && { bootId }),
    ...(handedOver !== undefined && { handedOver }),
  });
}

/** The state without the records of subvolumes that are gone, so that its file stays small. */
function forgetAbsent(list: SubvolumeList, state: RwlayerState): RwlayerState {
  const subvolumes = state.subvolumes.filter(({ uuid }) => list.mayHave(uuid));
  return subvolumes.length === state.subvolumes.length
    ? state
    : { ...state, subvolumes };
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
  const failure = asFailureOf("tidy up", error);
  host.log.warn(summarizeFailure(failure), describeFailure(failure));
}
