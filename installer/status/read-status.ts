import path from "node:path";
import type { Host } from "../../runtime/host/host.ts";
import { BOOT_RECORD } from "../../runtime/records/boot-record.ts";
import { readBooted } from "./read-booted.ts";
import { readDisk } from "./read-disk.ts";
import type { BootedStatus, DiskStatus, Status } from "./formats/status.ts";
import { createGaps, type Gaps } from "./unreadable.ts";

export interface StatusRequest {
  /** Absolute. */
  readonly runDirectory: string;
  /** Nobody else can mount the disk. */
  readonly isRoot: boolean;
}

/**
 * Tells what booted and what stands on its disk, as far as that can be read.
 * @throws BootError NOTHING_BOOTED, FILE_UNREADABLE where boot.json does not tell what booted
 */
export async function readStatus(
  host: Host,
  request: StatusRequest,
): Promise<Status> {
  const gaps = createGaps();
  const { booted, damaged } = readBooted(host, request.runDirectory);
  if (damaged.length > 0) {
    gaps.add({
      what: `${damaged.join(", ")} in ${path.join(request.runDirectory, BOOT_RECORD)}`,
      why: "missing or damaged there",
      hint: null,
    });
  }
  const disk = await readDiskIfPossible(host, request, booted, gaps);
  return { version: 1, ...booted, ...disk, unreadable: gaps.unreadable };
}

async function readDiskIfPossible(
  host: Host,
  { runDirectory, isRoot }: StatusRequest,
  booted: BootedStatus,
  gaps: Gaps,
): Promise<DiskStatus> {
  if (booted.result !== "failed" && isRoot) {
    return readDisk(host, host.files.realPath(runDirectory), booted, gaps);
  }
  gaps.add({
    what: "roots on the disk, sizes, last failure",
    ...(booted.result === "failed"
      ? { why: "a start that failed does not tell which disk", hint: null }
      : { why: "that needs root", hint: "sudo dockroot status" }),
  });
  return { roots: null, lastFailure: null };
}
