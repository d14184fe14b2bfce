import path from "node:path";
import { isSubvolume, ODD_BTRFS } from "../btrfs.ts";
import { chooseRemovals, wasUsed } from "../../plan/choose-removals.ts";
import {
  asFailureOf,
  describeFailure,
  summarizeFailure,
} from "../../base/failure.ts";
import {
  findFormerRoots,
  readFacts,
  type GarbageContext,
} from "./former-roots.ts";
import { BootError } from "../../base/errors.ts";
import type { Host } from "../../host/host.ts";
import { readBootId } from "../../host/machine.ts";
import { findMountOf, readMountsOf } from "../mounts.ts";
import { readOwnRecord } from "../own-record.ts";
import type { FinishedBoot } from "../../records/parse-finished-boot.ts";
import { removeRoots } from "./remove-roots.ts";
import {
  findRecord,
  withRecord,
  type RwlayerState,
} from "../../records/rwlayer-state.ts";
import { rwlayerPaths } from "../../options/rwlayer-names.ts";
import { requireOwnDirectory } from "../path-state.ts";
import { readState, writeState } from "../state-file.ts";
import { listSubvolumes, type SubvolumeList } from "../subvolume-list.ts";

/**
 * Removes what is ours and no longer needed: generations past the limit, and a staging that never
 * became root. After a fallback all generations stay: one of them may be what the user looks for.
 * What cannot be removed is warned of.
 * @param isReached whether init gets the root that the boot made
 */
export async function collectGarbage(
  host: Host,
  topLevel: string,
  boot: FinishedBoot,
  isReached: boolean,
): Promise<void> {
  try {
    const paths = rwlayerPaths(boot.rwlayer);
    requireOwnDirectory(host, topLevel, paths);
    const former = readState(host, topLevel, paths);
    const context: GarbageContext = {
      ...{ host, topLevel, paths },
      mounts: readMountsOf(host, topLevel),
      list: await listSubvolumes(host, topLevel),
    };
    requireListed(context.list, boot);
    const known = await adoptRoot(context, former, boot);
    const marked = isReached ? await markAsRoot(context, known, boot) : known;
    if (boot.result === "generation") {
      if (marked !== former) writeState(host, topLevel, paths, marked);
      return;
    }
    const { generations, staging, state } = await findFormerRoots(
      context,
      marked,
    );
    const old =
      boot.result === "fallback"
        ? []
        : chooseRemovals(generations, boot.limits.generations);
    if (state !== former) tryToWrite(context, state);
    const left = await removeRoots(context, state, [
      ...old.map((root) => ({ ...root, wasRoot: true })),
      ...staging.map((root) => ({ ...root, wasRoot: false })),
    ]);
    const last = forgetAbsent(context.list, left);
    if (last !== state) tryToWrite(context, last);
  } catch (error) {
    warnOf(host, error);
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

/** The state with the root that booted, where its own record alone tells of it. */
async function adoptRoot(
  context: GarbageContext,
  state: RwlayerState,
  { root, subvolumeUuid }: FinishedBoot,
): Promise<RwlayerState> {
  const { host, topLevel, paths } = context;
  if (
    findRecord(state, subvolumeUuid) !== undefined ||
    (await readFactsOf(context, root, subvolumeUuid)) === undefined
  ) {
    return state;
  }
  const tree = path.join(topLevel, root);
  const record = readOwnRecord(host, tree, paths.rwlayer, subvolumeUuid);
  return record === undefined ? state : withRecord(state, record);
}

/**
 * The root that the initramfs has mounted is in use for as long as this kernel runs. Where nothing has
 * mounted it, as in a rehearsal, nobody uses it.
 */
async function markAsRoot(
  context: GarbageContext,
  state: RwlayerState,
  { root, subvolumeUuid }: FinishedBoot,
): Promise<RwlayerState> {
  const { host, mounts } = context;
  const record = findRecord(state, subvolumeUuid);
  const facts = await readFactsOf(context, root, subvolumeUuid);
  // Another boot has put another root there.
  if (record === undefined || facts === undefined) return state;
  const isMounted = findMountOf(mounts, root) !== undefined;
  const bootId = isMounted ? readBootId(host) : record.bootId;
  // Starts do not add up to use: each is counted from its own beginning.
  const handedOver = wasUsed({ record, ...facts })
    ? record.handedOver
    : facts.lastChange;
  if (record.bootId === bootId && record.handedOver === handedOver) {
    return state;
  }
  return withRecord(state, {
    ...record,
    ...(bootId !== undefined && { bootId }),
    ...(handedOver !== undefined && { handedOver }),
  });
}

/** @returns `undefined` where that subvolume does not stand there */
async function readFactsOf(
  context: GarbageContext,
  file: string,
  uuid: string,
): Promise<Awaited<ReturnType<typeof readFacts>> | undefined> {
  const { host, topLevel } = context;
  if (!isSubvolume(host, path.join(topLevel, file))) return undefined;
  const facts = await readFacts(context, file);
  return facts.uuid === uuid ? facts : undefined;
}

/** The state without the records of subvolumes that are gone, so that its file stays small. */
function forgetAbsent(list: SubvolumeList, state: RwlayerState): RwlayerState {
  const subvolumes = state.subvolumes.filter(({ uuid }) => list.mayHave(uuid));
  return subvolumes.length === state.subvolumes.length
    ? state
    : { ...state, subvolumes };
}

/** Where the disk takes no state (it may be full), what follows may make room. */
function tryToWrite(
  { host, topLevel, paths }: GarbageContext,
  state: RwlayerState,
): void {
  try {
    writeState(host, topLevel, paths, state);
  } catch (error) {
    warnOf(host, error);
  }
}

function warnOf(host: Host, error: unknown): void {
  const failure = asFailureOf("tidy up", error);
  host.log.warn(summarizeFailure(failure), describeFailure(failure));
}
