import path from "node:path";
import { BOOT_RECORD } from "../../runtime/report.ts";
import type { Host } from "../../runtime/host/host.ts";
import { readBooted } from "./status/read-booted.ts";
import { readDisk } from "./status/read-disk.ts";
import type { Status } from "./status/status.ts";
import { createGaps } from "./status/unreadable.ts";

export const statusFlags = {
  "run-dir": {
    type: "string",
    placeholder: "DIR",
    describe: "where boot left its record [/run/dockroot]",
  },
  json: {
    type: "boolean",
    describe: "print the status as JSON",
  },
} as const;

export interface StatusRequest {
  readonly runDirectory: string;
  /** Who is not cannot mount the disk. */
  readonly isRoot: boolean;
}

/**
 * Tells what booted and what stands on its disk, as far as that can be read.
 * @throws BootError NOTHING_BOOTED, FILE_UNREADABLE where boot.json does not tell what booted
 */
export async function readStatus(
  host: Host,
  { runDirectory, isRoot }: StatusRequest,
): Promise<Status> {
  const gaps = createGaps();
  const { booted, damaged } = readBooted(host, runDirectory);
  if (damaged.length > 0) {
    gaps.add({
      what: `${damaged.join(", ")} in ${path.join(runDirectory, BOOT_RECORD)}`,
      why: "missing or damaged there",
      hint: null,
    });
  }
  const found =
    booted.result === "failed"
      ? undefined
      : isRoot
        ? await readDisk(host, host.files.realPath(runDirectory), booted, gaps)
        : undefined;
  if (found === undefined) {
    gaps.add({
      what: "roots on the disk, sizes, last failure",
      ...(booted.result === "failed"
        ? { why: "a start that failed does not tell which disk", hint: null }
        : { why: "that needs root", hint: "sudo dockroot status" }),
    });
  }
  const { unreadable } = gaps;
  const disk = found ?? { roots: null, lastFailure: null };
  return { version: 1, ...booted, ...disk, unreadable };
}
