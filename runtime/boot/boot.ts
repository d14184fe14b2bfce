import { describeFailure, type BootFailure } from "../base/failure.ts";
import { BootError, UsageError } from "../base/errors.ts";
import { createSha256 } from "../base/sha256.ts";
import { DiskLock } from "../disk/disk.ts";
import { endStaleShow } from "../disk/mount-stack.ts";
import { openDisk, type OpenDisk } from "../disk/open-disk.ts";
import type { Host } from "../host/host.ts";
import { isInitramfs, requireFileSize } from "../host/machine.ts";
import { readBootOptions } from "../options/options.ts";
import { formatDeviceSpec } from "../options/parsers.ts";
import type { BootFacts } from "../plan/facts.ts";
import { summarizeBoot, type RootedBoot } from "../records/boot-record.ts";
import {
  countAttempt,
  doubtful,
  planAttempt,
  standIn,
  type Attempt,
  type Substitute,
} from "./attempt.ts";
import { createBootContext, type BootContext } from "./boot-context.ts";
import { bootGeneration, makeRoot, refuseMounted } from "./make-root.ts";
import { fallBack } from "./fall-back.ts";
import { gatherFacts } from "./gather-facts.ts";
import { gatherOptions, type OptionFiles } from "./gather-options.ts";
import {
  saveFailure,
  describeFailedBoot,
  describeRootedBoot,
  writeBootRecord,
  type RootOutcome,
} from "./report.ts";
import { createRecorder } from "./recorder.ts";
import { waitAtStartBarrier } from "./start-barrier.ts";

/** A former boot's `finish`, which removes roots, takes no longer. */
const MAX_LOCK_WAIT_MS = 60_000;

export interface BootRequest {
  readonly files?: OptionFiles;
  /** Where logs, the record and mount points go; absolute. */
  readonly runDirectory: string;
  /** A file that is to be there before the boot touches a device. */
  readonly startBarrier?: string | undefined;
}

/**
 * Makes the root that the initramfs then mounts, or finds one that can stand in for it. The top level
 * stays mounted at `<runDirectory>/toplevel` for `dockroot finish`.
 * @throws BootError, UsageError; what was mounted is released then, and boot.json says why
 */
export async function boot(
  host: Host,
  { files, runDirectory, startBarrier }: BootRequest,
): Promise<RootedBoot> {
  if (files?.cmdline === undefined) requireInitramfs(host);
  let root = "the root device";
  const readOptions = () => {
    const options = readBootOptions(gatherOptions(host, files));
    root = `root=${formatDeviceSpec(options.disk.root)}`;
    return options;
  };
  const waitedMs = await waitAtStartBarrier(
    host,
    startBarrier,
    [readOptions, createSha256],
    () => `the initramfs to find ${root}`,
  );
  const recorder = createRecorder(host, waitedMs);
  const runLock = new DiskLock(host, runDirectory, `in ${runDirectory}`);
  try {
    requireFileSize(host);
    // What was read before the barrier does not count.
    const options = readOptions();
    const record = await bootWith(
      createBootContext(host, recorder, options, runDirectory, runLock),
      runDirectory,
    );
    const summary = summarizeBoot(record);
    if (record.failure === null) host.log.info(summary);
    else {
      // Errors alone are on a quiet console.
      logFailure(host, "no new root: ", record.failure);
      host.log.error(`an earlier root boots instead: ${summary}`);
    }
    return record;
  } catch (error) {
    if (error instanceof UsageError || isRefusal(error)) throw error;
    const failure = describeFailure(error);
    logFailure(host, "", failure);
    await recorder.tolerate(() => {
      const record = describeFailedBoot(host, recorder, failure);
      writeBootRecord(host, runDirectory, record);
    });
    throw error;
  } finally {
    await recorder.tolerate(() => runLock.release());
  }
}

/** Releases all mounts but, where there is a root, the top level; and in any case the lock. */
async function bootWith(
  context: BootContext,
  runDirectory: string,
): Promise<RootedBoot> {
  const { host, recorder, options, topLevel, mounts, lock } = context;
  const { root, memory } = context.overlayPlaces;
  try {
    for (const warning of options.warnings) recorder.warn(warning);
    const disk = await openDisk(context);
    const outcome = await findRoot(context, disk);
    // The root is in place: from here on nothing is worth stopping for.
    await recorder.tolerate(() => mounts.release(topLevel, root, memory));
    const record = describeRootedBoot(context, disk, outcome);
    // While nobody else makes a root, which would make it untrue.
    await recorder.tolerate(() => {
      writeBootRecord(host, runDirectory, record);
    });
    await recorder.tolerate(() => lock.release());
    return record;
  } catch (error) {
    await recorder.tolerate(() => lock.release());
    await recorder.tolerate(() => mounts.release());
    throw error;
  }
}

/**
 * The generation that is asked for, a root that is made or kept; where that cannot be, one of another
 * deployment, or a former one.
 */
async function findRoot(
  context: BootContext,
  disk: OpenDisk,
): Promise<RootOutcome> {
  const { recorder, options } = context;
  const { generation } = options.disk;
  let facts: BootFacts | undefined;
  let attempt: Attempt | undefined;
  const make = async (substitute?: Substitute) => {
    // A substitute is made in the same boot, which is counted once.
    const counted = substitute === undefined ? attempt : undefined;
    const prepare = () => prepareDisk(context, disk, counted);
    facts = await gatherFacts(context, disk, prepare, substitute);
    return makeRoot(context, disk, facts);
  };
  try {
    if (generation !== undefined) {
      // It changes nothing.
      await recorder.tolerate(() => lockDisk(context));
      return await bootGeneration(context, disk, generation);
    }
    attempt = planAttempt(context, disk);
    if (attempt?.givenUp !== undefined) {
      await prepareDisk(context, disk, attempt);
      throw attempt.givenUp;
    }
    return await make();
  } catch (error) {
    if (isRefusal(error)) throw error;
    const former =
      (await standIn(context, disk, attempt, error, make)) ??
      (await fallBack(context, disk, facts, error, doubtful(attempt)));
    await recorder.tolerate(() => {
      saveFailure(context, disk, error, former);
    });
    if (former === undefined) throw error;
    return former;
  }
}

async function prepareDisk(
  context: BootContext,
  disk: OpenDisk,
  attempt: Attempt | undefined,
): Promise<void> {
  const { host, recorder, mergeMount, overlayPlaces } = context;
  await lockDisk(context);
  // They show the next root, or directories of it, which would count as in use.
  await endStaleShow(host, mergeMount);
  if (disk.isOverlay) {
    const { next, root, memory } = overlayPlaces;
    for (const at of [next, root, memory]) await endStaleShow(host, at);
  }
  refuseMounted(disk);
  if (attempt === undefined) return;
  await recorder.tolerate(() => {
    countAttempt(context, disk, attempt);
  });
}

async function lockDisk({ recorder, lock }: BootContext): Promise<void> {
  await recorder.time("lock the disk", async (tellProgress) => {
    tellProgress(() => "another dockroot may be using it");
    await lock.take(MAX_LOCK_WAIT_MS);
  });
}

/** Private causes are nowhere else: boot.json lacks them. */
function logFailure({ log }: Host, what: string, failure: BootFailure): void {
  log.error(`${what}${failure.message}`, failure);
  if (failure.hasPrivateCauses !== true) return;
  for (const cause of failure.causes) log.detail(cause);
}

/** Nothing was begun, and what /run tells of the running system's boot stays true. */
function isRefusal(error: unknown): boolean {
  return error instanceof BootError && error.code === "RWLAYER_IN_USE";
}

function requireInitramfs(host: Host): void {
  if (isInitramfs(host)) return;
  throw new BootError(
    "NOT_INITRAMFS",
    "this is not an initramfs: dockroot never replaces the root of a running system",
    {
      hint: "To see what the next boot would do: dockroot boot --dry-run. To try it on another disk: dockroot boot --cmdline FILE.",
    },
  );
}
