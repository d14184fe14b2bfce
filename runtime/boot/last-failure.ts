import path from "node:path";
import type { Disk } from "../disk/disk.ts";
import {
  describeFailure,
  formatFailure,
  type BootFailure,
} from "../base/failure.ts";
import type { BootContext } from "./boot-context.ts";
import { escapeControl } from "../base/escape.ts";
import { readKernelRelease } from "../host/machine.ts";
import type { TimedStep } from "../records/boot-record.ts";
import type { RootOutcome } from "./report.ts";
import { lastBootOf } from "../records/rwlayer-state.ts";
import { version } from "../base/version.ts";

/** What is to be known of a failed start once the machine is up again. */
export interface FailureLog {
  readonly failure: BootFailure;
  /** The number of the last rwlayer that was made before. */
  readonly lastBoot: number;
  readonly kernel: string;
  readonly cmdline: string;
  /** What booted in place of what failed, in words; `undefined` where nothing did. */
  readonly stoodIn: string | undefined;
  readonly steps: readonly TimedStep[];
  /** Details included. */
  readonly warnings: readonly string[];
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
  const text = formatFailureLog({
    failure: describeFailure(error),
    lastBoot: lastBootOf(disk.tryToReadState().state),
    kernel: readKernelRelease(host),
    cmdline: options.cmdline.trim(),
    stoodIn:
      former?.record === undefined
        ? undefined
        : `${former.record.image.reference}, made by start ${String(former.record.boot)}`,
    steps: recorder.steps,
    warnings: [...recorder.warnings, ...recorder.details],
  });
  host.files.replaceFile(disk.at(disk.paths.lastFailure), text, 0o600);
}

/** The log as a text for people. */
export function formatFailureLog(log: FailureLog): string {
  const lines = [
    ...formatFailure(log.failure).trimEnd().split("\n"),
    log.stoodIn === undefined
      ? "Nothing was booted."
      : `A former root booted in its place: ${log.stoodIn}.`,
    `After start ${String(log.lastBoot)}, with dockroot ${version} and the kernel ${log.kernel}.`,
    `Kernel options: ${log.cmdline}`,
    ...log.warnings.map((warning) => `Warning: ${warning}`),
    "Done before:",
    ...log.steps.map(
      ({ step, durationMs }) => `  ${step} (${String(durationMs)} ms)`,
    ),
  ];
  return `${lines.map(escapeControl).join("\n")}\n`;
}
