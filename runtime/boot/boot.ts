import path from "node:path";
import { bootGeneration } from "./boot-generation.ts";
import { syncFilesystem } from "../disk/btrfs.ts";
import {
  createDiskLock,
  createRunDirectoryLock,
  type DiskLock,
} from "../disk/disk-lock.ts";
import type { DiskFacts } from "../disk/disk.ts";
import type { BootFacts } from "../plan/facts.ts";
import {
  describeFailure,
  summarizeFailure,
  type BootFailure,
} from "../base/failure.ts";
import { fallBack } from "./fall-back.ts";
import type { PlannedBoot } from "../plan/format-plan.ts";
import { waitAtStartBarrier } from "./start-barrier.ts";
import { gatherOptions, type OptionFiles } from "./gather-options.ts";
import type { BootContext } from "./boot-context.ts";
import { BootError, UsageError } from "../base/errors.ts";
import { limitHelpers, type Host } from "../host/host.ts";
import { saveFailure } from "./last-failure.ts";
import { isInitramfs, requireFileSize } from "../host/machine.ts";
import { gatherFacts } from "./gather-facts.ts";
import { makeRoot, refuseMounted } from "./make-root.ts";
import { createMountStack, endStaleShow } from "../disk/mount-stack.ts";
import { openDisk, reopenTopLevel, type OpenDisk } from "../disk/open-disk.ts";
import { readBootOptions, type BootOptions } from "../options/options.ts";
import { planBoot } from "../plan/plan.ts";
import { createRecorder, type Recorder } from "./recorder.ts";
import {
  describeFailedBoot,
  describeRootedBoot,
  writeBootRecord,
  type RootOutcome,
} from "./report.ts";
import {
  summarizeBoot,
  TOP_LEVEL_MOUNT,
  type RootedBoot,
} from "../records/boot-record.ts";
import { makeOwnDirectory } from "../disk/run-directory.ts";
import { findRecord } from "../records/rwlayer-state.ts";
import { createSha256 } from "../base/sha256.ts";

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
  const readOptions = () => readBootOptions(gatherOptions(host, files));
  const waitedMs =
    startBarrier === undefined
      ? null
      : await waitAtStartBarrier(host, startBarrier, [
          readOptions,
          createSha256,
        ]);
  const recorder = createRecorder(host, waitedMs);
  const runLock = createRunDirectoryLock(host, runDirectory);
  try {
    requireFileSize(host);
    // What was read before the barrier does not count.
    const options = readOptions();
    const record = await bootWith(
      describeContext(host, recorder, options, runDirectory, runLock),
      options,
      runDirectory,
    );
    const summary = summarizeBoot(record);
    if (record.failure === null) host.log.info(summary);
    else {
      // Errors alone are on a quiet console.
      host.log.error(`no new root: ${record.failure.message}`, record.failure);
      tellPrivateCauses(host, record.failure);
      host.log.error(`a former root boots instead: ${summary}`);
    }
    return record;
  } catch (error) {
    if (error instanceof UsageError || isRefusal(error)) throw error;
    const failure = describeFailure(error);
    host.log.error(failure.message, failure);
    tellPrivateCauses(host, failure);
    await recorder.tolerate(() => {
      const record = describeFailedBoot(host, recorder, failure);
      writeBootRecord(host, runDirectory, record);
    });
    throw error;
  } finally {
    await recorder.tolerate(() => runLock.release());
  }
}

/** They are nowhere else: boot.json lacks them. */
function tellPrivateCauses(host: Host, failure: BootFailure): void {
  if (failure.hasPrivateCauses !== true) return;
  for (const cause of failure.causes) host.log.detail(cause);
}

/** Releases all mounts but, where there is a root, the top level; and in any case the lock. */
async function bootWith(
  context: BootContext,
  options: BootOptions,
  runDirectory: string,
): Promise<RootedBoot> {
  const { host, recorder, topLevel, mounts, lock } = context;
  try {
    for (const warning of options.warnings) recorder.warn(warning);
    const disk = await openDisk(context);
    const outcome = await findRoot(context, disk, options);
    // The root is in place: from here on nothing is worth stopping for.
    await recorder.tolerate(() => mounts.release(topLevel));
    const record = describeRootedBoot(
      host,
      recorder,
      disk,
      options.disk,
      outcome,
    );
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

async function findRoot(
  context: BootContext,
  disk: OpenDisk,
  options: BootOptions,
): Promise<RootOutcome> {
  const { generation } = options.disk;
  let facts: BootFacts | undefined;
  try {
    if (generation !== undefined) {
      // It changes nothing.
      await context.recorder.tolerate(() => lockDisk(context));
      const booted = await bootGeneration(context, disk, generation);
      return { result: "generation", ...booted };
    }
    facts = await gatherFacts(context, disk, options, async () => {
      await lockDisk(context);
      // Of the next root, which would be in use.
      await endStaleShow(context.host, context.mergeMount);
      refuseMounted(disk);
    });
    const { result, record } = await makeRoot(context, disk, facts);
    return { result, uuid: record.uuid, record };
  } catch (error) {
    if (isRefusal(error)) throw error;
    const former = await findFormerRoot(context, disk, facts, error);
    await context.recorder.tolerate(() => {
      saveFailure(context, disk, { error, former, cmdline: options.cmdline });
    });
    if (former === undefined) throw error;
    return former;
  }
}

async function lockDisk({ recorder, lock }: BootContext): Promise<void> {
  await recorder.time("lock the disk", async (tellProgress) => {
    tellProgress(() => "another dockroot is at work on it");
    await lock.take(MAX_LOCK_WAIT_MS);
  });
}

/**
 * @param facts what was known before the failure
 * @returns `undefined` where none may boot, or none can
 */
async function findFormerRoot(
  context: BootContext,
  disk: OpenDisk,
  facts: DiskFacts | undefined,
  error: unknown,
): Promise<RootOutcome | undefined> {
  const { host, recorder, mergeMount, options } = context;
  if (options.fallback === "none" || options.generation !== undefined) {
    return undefined;
  }
  const failure = describeFailure(error);
  try {
    // Of the next root, where its unmounting is what failed.
    await recorder.tolerate(() => endStaleShow(host, mergeMount));
    await reopenTopLevel(context, disk);
    const former = await fallBack(context, disk);
    if (former === undefined) return undefined;
    const { record, restored } = former;
    const { uuid } = record;
    if (facts !== undefined && findRecord(facts.state, uuid) === undefined) {
      // The new root itself: all failed but its last step, which makes its place durable.
      recorder.warn(summarizeFailure(error), failure);
      await recorder.tolerate(() => syncFilesystem(disk));
      return { result: "fresh", uuid, record };
    }
    return { result: "fallback", uuid, record, restored, failure };
  } catch (cause) {
    recorder.warn(
      `the fallback failed, too: ${summarizeFailure(cause)}`,
      describeFailure(cause),
    );
    return undefined;
  }
}

/**
 * Gathers and plans; mounts read-only and leaves nothing behind.
 * @throws BootError, UsageError
 */
export function planOnly(
  host: Host,
  request: BootRequest,
): Promise<PlannedBoot> {
  return lookAtDisk(host, request, planOn);
}

/** Plans on a disk that is there. @throws BootError */
export async function planOn(
  context: BootContext,
  disk: OpenDisk,
  options: BootOptions,
): Promise<PlannedBoot> {
  const { generation } = options.disk;
  if (generation !== undefined) {
    await bootGeneration(context, disk, generation);
    return { kind: "generation", generation };
  }
  const facts = await gatherFacts(context, disk, options);
  return { kind: "root", facts, plan: planBoot(facts) };
}

/**
 * Mounts the disk that the options name, read-only and for as long as the work takes.
 * @throws BootError, UsageError
 */
export function lookAtDisk<T>(
  host: Host,
  { files, runDirectory }: BootRequest,
  work: DiskWork<T>,
): Promise<T> {
  const options = readBootOptions(gatherOptions(host, files));
  return lookAtDiskOf(host, options, runDirectory, work);
}

type DiskWork<T> = (
  context: BootContext,
  disk: OpenDisk,
  options: BootOptions,
) => Promise<T>;

/** As `lookAtDisk`, with options that are read already. @throws BootError */
export async function lookAtDiskOf<T>(
  host: Host,
  options: BootOptions,
  runDirectory: string,
  work: DiskWork<T>,
): Promise<T> {
  const recorder = createRecorder(host);
  const scratch = path.join(runDirectory, `dry-run-${String(host.processId)}`);
  const context = describeContext(host, recorder, options, scratch, undefined);
  try {
    for (const warning of options.warnings) recorder.warn(warning);
    makeOwnDirectory(host, scratch);
    return await work(context, await openDisk(context), options);
  } finally {
    await context.mounts.release();
    host.files.removeUnusedDirectory(scratch);
  }
}

/**
 * @param directory gets the mount points
 * @param runLock of the directory; without it nothing is written to the disk
 */
function describeContext(
  unlimited: Host,
  recorder: Recorder,
  { disk }: BootOptions,
  directory: string,
  runLock: DiskLock | undefined,
): BootContext {
  const host = limitHelpers(unlimited, disk.helperTimeoutMs);
  const topLevel = path.join(directory, TOP_LEVEL_MOUNT);
  return {
    host,
    recorder,
    options: disk,
    readOnly: runLock === undefined,
    topLevel,
    topLayerMount: path.join(directory, "toplayer"),
    mergeMount: path.join(directory, "merge"),
    mounts: createMountStack(host),
    lock: createDiskLock(host, topLevel),
    runLock,
  };
}

/** Nothing was begun, and what /run tells of the running system's start stays true. */
function isRefusal(error: unknown): boolean {
  return error instanceof BootError && error.code === "RWLAYER_IN_USE";
}

function requireInitramfs(host: Host): void {
  if (isInitramfs(host)) return;
  throw new BootError(
    "NOT_INITRAMFS",
    "this is not an initramfs, and a running system's root must not be replaced under it",
    {
      hint: "To see what the next start would do: dockroot boot --dry-run. To try it on another disk: dockroot boot --cmdline FILE.",
    },
  );
}
