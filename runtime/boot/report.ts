import path from "node:path";
import type { OpenDisk } from "../disk/open-disk.ts";
import type { BootFailure } from "../base/failure.ts";
import type { BootContext } from "./boot-context.ts";
import { BootError, isSystemError } from "../base/errors.ts";
import type { Host } from "../host/host.ts";
import { readKernelRelease } from "../host/machine.ts";
import type { Recorder } from "./recorder.ts";
import type { SubvolumeRecord } from "../records/rwlayer-state.ts";
import { version } from "../base/version.ts";
import {
  type RootedBoot,
  type FailedBoot,
  type BootRecord,
  BOOT_RECORD,
  formatBootRecord,
  type RunFacts,
} from "../records/boot-record.ts";

/** What became root, and how. */
export interface RootOutcome {
  readonly result: RootedBoot["result"];
  readonly uuid: string;
  readonly record: SubvolumeRecord | undefined;
  readonly failure?: BootFailure;
  readonly restored?: string | undefined;
}

/** What was done, as it stands in boot.json. */
export function describeRootedBoot(
  { host, recorder, options }: BootContext,
  { device, paths }: OpenDisk,
  { result, uuid, record, failure, restored }: RootOutcome,
): RootedBoot {
  const { generation, generations, fallback, helperTimeoutMs } = options.disk;
  return {
    result,
    device: device.path,
    filesystemUuid: device.uuid ?? null,
    root: generation ?? paths.rwlayer,
    subvolumeUuid: uuid,
    rwlayer: paths.rwlayer,
    boot: record?.boot ?? null,
    image: record?.image ?? null,
    source: record?.source ?? null,
    toplayer: record?.toplayer ?? null,
    failure: failure ?? null,
    restored: restored ?? null,
    limits: { generations, fallback, helperTimeoutMs },
    ...describeRun(host, recorder),
  };
}

export function describeFailedBoot(
  host: Host,
  recorder: Recorder,
  failure: BootFailure,
): FailedBoot {
  return { result: "failed", failure, ...describeRun(host, recorder) };
}

/** Writes it for everybody to read. @throws BootError STEP_FAILED */
export function writeBootRecord(
  host: Host,
  runDirectory: string,
  record: BootRecord,
): void {
  const file = path.join(runDirectory, BOOT_RECORD);
  try {
    host.files.ensureDirectories(runDirectory);
    host.files.replaceFile(file, formatBootRecord(record), 0o644);
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    throw new BootError(
      "STEP_FAILED",
      `cannot write ${file}: ${cause.message}`,
      { cause },
    );
  }
}

function describeRun(host: Host, recorder: Recorder): RunFacts {
  return {
    version: 1,
    dockroot: version,
    node: host.nodeVersion,
    kernel: readKernelRelease(host),
    steps: recorder.steps,
    totalMs: recorder.elapsedMs(),
    waitedMs: recorder.waitedMs,
    warnings: recorder.warnings,
  };
}
