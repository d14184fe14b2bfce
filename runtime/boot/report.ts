import path from "node:path";
import type { OpenDisk } from "../disk/open-disk.ts";
import {
  type BootFailure,
  formatFailure,
  describeFailure,
} from "../base/failure.ts";
import type { BootContext } from "./boot-context.ts";
import { hasModules } from "./bootable.ts";
import { BootError, isSystemError } from "../base/errors.ts";
import type { Host } from "../host/host.ts";
import { readKernelRelease } from "../host/machine.ts";
import type { Recorder } from "./recorder.ts";
import { type SubvolumeRecord, lastBootOf } from "../records/rwlayer-state.ts";
import { version } from "../base/version.ts";
import {
  type RootedBoot,
  type FailedBoot,
  type BootRecord,
  BOOT_RECORD,
  formatBootRecord,
  type RunFacts,
  summarizeBoot,
} from "../records/boot-record.ts";
import { escapeControl } from "../base/escape.ts";
import type { OtherRoot } from "./finish.ts";
import type { Disk } from "../disk/disk.ts";

/** What became root, and how. */
export interface RootOutcome {
  readonly result: RootedBoot["result"];
  readonly uuid: string;
  readonly record: SubvolumeRecord | undefined;
  readonly failure?: BootFailure;
  readonly restored?: string | undefined;
  /** Where it boots from, where that is not at the rwlayer's name. */
  readonly root?: string | undefined;
}

/** What was done, as it stands in boot.json. */
export function describeRootedBoot(
  { host, recorder, options }: BootContext,
  disk: OpenDisk,
  { result, uuid, record, failure, restored, ...outcome }: RootOutcome,
): RootedBoot {
  const { device, paths } = disk;
  const { generation, generations, fallback, helperTimeoutMs } = options.disk;
  const root = generation ?? outcome.root ?? paths.rwlayer;
  return {
    result,
    device: device.path,
    filesystemUuid: device.uuid ?? null,
    root,
    subvolumeUuid: uuid,
    isOverlay: disk.isOverlay,
    layers: record?.layers ?? null,
    rwlayer: paths.rwlayer,
    boot: record?.boot ?? null,
    image: record?.image ?? null,
    source: record?.source ?? null,
    toplayer: record?.toplayer ?? null,
    deployment: record?.deployment ?? null,
    hasModules: findOutModules(host, disk.treeAt(root)),
    failure: failure ?? null,
    restored: restored ?? null,
    limits: { generations, fallback, helperTimeoutMs },
    ...describeRun(host, recorder),
  };
}

/** @returns `null` where the disk refuses to say: the root is in place, and boots all the same */
function findOutModules(host: Host, tree: string): boolean | null {
  try {
    return hasModules(host, tree, readKernelRelease(host));
  } catch (error) {
    if (!(error instanceof BootError) && !isSystemError(error)) throw error;
    return null;
  }
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

/** The warning that an earlier root boots, for the console: not to be overlooked. */
export function formatFallback(record: RootedBoot): string {
  const { restored, warnings, failure } = record;
  const heading = [
    failure?.code === "DEPLOYMENT_BAD"
      ? "WARNING: the deployment that was asked for boots no longer."
      : "WARNING: the root that was asked for could not be made.",
    restored === null && record.deployment !== null
      ? `DEPLOYMENT ${String(record.deployment)} BOOTS INSTEAD:`
      : "A FORMER ROOT BOOTS INSTEAD:",
    escapeControl(summarizeBoot(record)),
    ...(restored === null ? [] : [`put back from ${restored}`]),
    ...warnings.map((warning) => `warning: ${escapeControl(warning)}`),
  ];
  return frame(
    heading,
    failure,
    "To see this again: dockroot status. To stop the boot instead: dockroot.fallback=none.",
  );
}

/** The warning that most drivers are missing, for the console: not to be overlooked. */
export function formatMissingModules({
  image,
  kernel,
  root,
}: RootedBoot): string {
  const heading = [
    `WARNING: the root has no modules for the running kernel ${escapeControl(kernel)}.`,
    "THE SYSTEM STARTS WITHOUT MOST OF ITS DRIVERS:",
    escapeControl(`${root}, made of ${image?.reference ?? "an unknown image"}`),
  ];
  return frame(
    heading,
    null,
    "Boot the kernel that is in the image: dockroot upgrade writes its menu entry.",
  );
}

/** The warning that another root is mounted than was made, for the console: not to be overlooked. */
export function formatOtherRoot({ failure, isStopped }: OtherRoot): string {
  const heading = [
    `${isStopped ? "ERROR" : "WARNING"}: the root that is mounted is not the one that was made.`,
    isStopped ? "THE BOOT STOPS HERE." : "THE SYSTEM STARTS WITH IT.",
  ];
  return frame(
    heading,
    failure,
    isStopped
      ? "To start the system with it: dockroot.fallback=last."
      : "To stop the boot instead: dockroot.fallback=none.",
  );
}

function frame(
  heading: readonly string[],
  failure: BootFailure | null,
  wayOut: string,
): string {
  const edge = "*".repeat(72);
  const reason = failure === null ? [] : [formatFailure(failure).trimEnd()];
  const lines = [
    ...heading,
    "",
    ...reason.flatMap((text) => [text, ""]),
    wayOut,
  ];
  return `${[edge, ...lines, edge].join("\n")}\n`;
}

/**
 * Writes `.dockroot/<rwlayer>/last-failure.log` on the top level. For a generation only where its
 * rwlayer is known: its name may be a mistake.
 * @throws BootError, or what the system says, where it takes no writes
 */
export function saveFailure(
  { host, recorder, options }: BootContext,
  disk: Disk,
  error: unknown,
  former: RootOutcome | undefined,
): void {
  const directory = disk.at(disk.paths.directory);
  if (
    options.disk.generation !== undefined &&
    host.files.statusOf(directory) === undefined
  ) {
    return;
  }
  host.files.ensureDirectory(path.dirname(directory), 0o700);
  host.files.ensureDirectory(directory, 0o700);
  const lines = [
    ...formatFailure(describeFailure(error)).trimEnd().split("\n"),
    former?.record === undefined
      ? "Nothing was booted."
      : `An earlier root was booted instead: ${former.record.image.reference}, made by boot ${String(former.record.boot)}.`,
    `After boot ${String(lastBootOf(disk.tryToReadState().state))}, with dockroot ${version} and the kernel ${readKernelRelease(host)}.`,
    `Kernel options: ${options.cmdline.trim()}`,
    ...[...recorder.warnings, ...recorder.details].map(
      (warning) => `Warning: ${warning}`,
    ),
    "Done before:",
    ...recorder.steps.map(
      ({ step, durationMs }) => `  ${step} (${String(durationMs)} ms)`,
    ),
  ];
  const text = `${lines.map(escapeControl).join("\n")}\n`;
  host.files.replaceFile(disk.at(disk.paths.lastFailure), text, 0o600);
}
