import path from "node:path";
import type { Host } from "../../runtime/host/host.ts";
import {
  BOOT_RECORD,
  parseBootRecord,
  type BootedStatus,
  type ParsedBoot,
} from "../../runtime/records/boot-record.ts";
import { NOTHING_READ, readDisk } from "./read-disk.ts";
import type { DiskStatus, Status } from "./formats/status.ts";
import { createGaps, type Gaps } from "./unreadable.ts";
import { BootError, systemErrorCode } from "../../runtime/base/errors.ts";

interface StatusRequest {
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
    what: "roots on the disk, sizes, deployments, what boots next, last failure",
    ...(booted.result === "failed"
      ? { why: "a boot that failed does not tell which disk", hint: null }
      : { why: "that needs root", hint: "sudo dockroot status" }),
  });
  return NOTHING_READ;
}

const MAX_RECORD_BYTES = 1024 * 1024;

/**
 * Reads `<runDirectory>/boot.json`, as far as it makes sense.
 * @throws BootError NOTHING_BOOTED where there is none, FILE_UNREADABLE where it tells nothing
 */
function readBooted(host: Host, runDirectory: string): ParsedBoot {
  const file = path.join(runDirectory, BOOT_RECORD);
  const text = readRecord(host, file);
  if (text === undefined) {
    throw new BootError(
      "NOTHING_BOOTED",
      `there is no ${file}: dockroot did not boot this system`,
      {
        hint: "Was the initramfs made with dockroot's hook, and does the boot menu entry use that one? dmesg | grep dockroot",
      },
    );
  }
  try {
    return parseBootRecord(text);
  } catch (cause) {
    throw new BootError("FILE_UNREADABLE", `${file} is damaged`, {
      cause,
      hint: "The kernel log may tell what booted: dmesg | grep dockroot",
    });
  }
}

function readRecord(host: Host, file: string): string | undefined {
  try {
    return host.files.readText(file, MAX_RECORD_BYTES);
  } catch (cause) {
    if (systemErrorCode(causeOf(cause)) !== "EACCES") throw cause;
    throw new BootError("FILE_UNREADABLE", `not everybody may read ${file}`, {
      hint: "Run it with sudo: sudo dockroot status",
    });
  }
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
