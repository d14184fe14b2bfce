import path from "node:path";
import { bootGeneration } from "./boot-generation.ts";
import type { DiskFacts } from "./facts.ts";
import { describeFailure } from "./failure.ts";
import { fallBack } from "./fall-back.ts";
import type { PlannedBoot } from "./format-plan.ts";
import { gatherDisk, reopenTopLevel } from "./gather-disk.ts";
import { gatherOptions, type OptionFiles } from "./gather-options.ts";
import type { GatherRequest } from "./gather-request.ts";
import { BootError, UsageError } from "./host/errors.ts";
import { limitHelpers, type Host } from "./host/host.ts";
import { saveFailure } from "./last-failure.ts";
import { isInitramfs } from "./machine.ts";
import { makeRoot, planRoot } from "./make-root.ts";
import { createMountStack } from "./mounts.ts";
import type { BootOptions } from "./options.ts";
import { createRecorder, type Recorder } from "./recorder.ts";
import {
  describeFailedBoot,
  describeRootedBoot,
  summarizeBoot,
  TOP_LEVEL_MOUNT,
  writeBootRecord,
  type RootedBoot,
  type RootOutcome,
} from "./report.ts";

export interface BootRequest {
  readonly files: OptionFiles;
  /** Where logs, the record and mount points go; absolute. */
  readonly runDirectory: string;
}

/**
 * Makes the root that the initramfs then mounts, or finds one that can stand in for it. The top level
 * stays mounted at `<runDirectory>/toplevel` for `dockroot finish`.
 * @throws BootError, UsageError; what was mounted is released then, and boot.json says why
 */
export async function boot(
  host: Host,
  { files, runDirectory }: BootRequest,
): Promise<RootedBoot> {
  const recorder = createRecorder(host);
  try {
    if (files.cmdline === undefined) requireInitramfs(host);
    const options = gatherOptions(host, files);
    const record = await bootWith(
      describeRequest(host, recorder, options, runDirectory, false),
      options,
    );
    await recorder.tolerate(() => {
      writeBootRecord(host, runDirectory, record);
    });
    const summary = summarizeBoot(record);
    if (record.failure === null) host.log.info(summary);
    else {
      // Errors alone are on a quiet console.
      host.log.error(`no new root: ${record.failure.message}`);
      host.log.error(`a former root boots instead: ${summary}`);
    }
    return record;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const failure = describeFailure(error);
    host.log.error(failure.message);
    await recorder.tolerate(() => {
      const record = describeFailedBoot(host, recorder, failure);
      writeBootRecord(host, runDirectory, record);
    });
    throw error;
  }
}

/** Releases all mounts but, where there is a root, the top level. */
async function bootWith(
  request: GatherRequest,
  options: BootOptions,
): Promise<RootedBoot> {
  const { host, recorder, topLevel, mounts } = request;
  try {
    for (const warning of options.warnings) recorder.warn(warning);
    const disk = await gatherDisk(request);
    const outcome = await findRoot(request, disk, options);
    // The root is in place: from here on nothing is worth stopping for.
    await recorder.tolerate(() => mounts.release(topLevel));
    return describeRootedBoot(host, recorder, disk, options.disk, outcome);
  } catch (error) {
    await recorder.tolerate(() => mounts.release());
    throw error;
  }
}

async function findRoot(
  request: GatherRequest,
  disk: DiskFacts,
  options: BootOptions,
): Promise<RootOutcome> {
  const { generation } = options.disk;
  try {
    if (generation !== undefined) {
      const booted = await bootGeneration(request, disk, generation);
      return { result: "generation", ...booted };
    }
    const { result, record } = await makeRoot(request, disk, options);
    return { result, uuid: record.uuid, record };
  } catch (error) {
    const former = await findFormerRoot(request, disk, error);
    await request.recorder.tolerate(() => {
      saveFailure(request, disk, { error, former, cmdline: options.cmdline });
    });
    if (former === undefined) throw error;
    return former;
  }
}

/** @returns `undefined` where none may boot, or none can */
async function findFormerRoot(
  request: GatherRequest,
  disk: DiskFacts,
  error: unknown,
): Promise<RootOutcome | undefined> {
  const { recorder, options } = request;
  const isForbidden =
    options.fallback === "none" ||
    options.generation !== undefined ||
    (error instanceof BootError && error.code === "RWLAYER_IN_USE");
  if (isForbidden) return undefined;
  const failure = describeFailure(error);
  try {
    await reopenTopLevel(request, disk);
    const former = await fallBack(request, disk);
    if (former === undefined) return undefined;
    const { record, restored } = former;
    return {
      ...{ result: "fallback", uuid: record.uuid },
      ...{ record, restored, failure },
    };
  } catch (cause) {
    const { message, causes } = describeFailure(cause);
    recorder.warn(
      ["nor can a former root be booted", message, ...causes].join(": "),
    );
    return undefined;
  }
}

/**
 * Gathers and plans; mounts read-only and leaves nothing behind.
 * @throws BootError, UsageError
 */
export async function planOnly(
  host: Host,
  { files, runDirectory }: BootRequest,
): Promise<PlannedBoot> {
  const recorder = createRecorder(host);
  const scratch = path.join(runDirectory, `dry-run-${String(host.processId)}`);
  const options = gatherOptions(host, files);
  const request = describeRequest(host, recorder, options, scratch, true);
  try {
    for (const warning of options.warnings) recorder.warn(warning);
    const disk = await gatherDisk(request);
    const { generation } = options.disk;
    if (generation !== undefined) {
      await bootGeneration(request, disk, generation);
      return { kind: "generation", generation };
    }
    return { kind: "root", ...(await planRoot(request, disk, options)) };
  } finally {
    await request.mounts.release();
    host.files.removeUnusedDirectory(scratch);
  }
}

/** @param directory gets the mount points */
function describeRequest(
  unlimited: Host,
  recorder: Recorder,
  { disk }: BootOptions,
  directory: string,
  readOnly: boolean,
): GatherRequest {
  const host = limitHelpers(unlimited, disk.helperTimeoutMs);
  return {
    ...{ host, recorder, options: disk, readOnly },
    topLevel: path.join(directory, TOP_LEVEL_MOUNT),
    topLayerMount: path.join(directory, "toplayer"),
    mounts: createMountStack(host),
  };
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
