import path from "node:path";
import type { Disk } from "../disk/disk.ts";
import { describeFailure, formatFailure } from "../base/failure.ts";
import type { BootContext } from "./boot-context.ts";
import { escapeControl } from "../base/escape.ts";
import { readKernelRelease } from "../host/machine.ts";
import type { RootOutcome } from "./report.ts";
import { lastBootOf } from "../records/rwlayer-state.ts";
import { version } from "../base/version.ts";

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
      : `A former root booted in its place: ${former.record.image.reference}, made by boot ${String(former.record.boot)}.`,
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
