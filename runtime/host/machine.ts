import { BootError } from "../base/errors.ts";
import type { Host } from "./host.ts";

const MAX_LINE_BYTES = 4096;
const MAX_LIMITS_BYTES = 64 * 1024;
/** More than any file that a boot writes itself, its record and state.json. */
const LEAST_FILE_BYTES = 1024 * 1024;
/** Filesystem types of an initramfs's root (statfs(2)): ramfs, tmpfs. */
const INITRAMFS_TYPES = new Set([0x858458f6, 0x01021994]);

/** Whether `/` is an initramfs, by the type of its filesystem, as switch_root tells it. */
export function isInitramfs(host: Host): boolean {
  return INITRAMFS_TYPES.has(host.files.filesystemType(host.path("/")));
}

/** Whether `/` is an initramfs of which systemd is the init. @see sd_booted(3) */
export function isSystemdInitramfs(host: Host): boolean {
  const mark = host.path("/run/systemd/system");
  return host.files.statusOf(mark) !== undefined && isInitramfs(host);
}

/**
 * What tells one boot of the kernel from every other; `undefined` where /proc does not tell.
 * @see random(4)
 */
export function readBootId(host: Host): string | undefined {
  return readLine(host, "random/boot_id");
}

/** A UUID that nothing else has. @see random(4) */
export function readRandomUuid(host: Host): string {
  const uuid = readLine(host, "random/uuid");
  if (uuid !== undefined) return uuid;
  throw new BootError(
    "STEP_FAILED",
    "there is no /proc/sys/kernel/random/uuid",
  );
}

/** What `uname -r` prints. */
export function readKernelRelease(host: Host): string {
  return readLine(host, "osrelease") ?? "";
}

function readLine(host: Host, name: string): string | undefined {
  return host.readText(`/proc/sys/kernel/${name}`, MAX_LINE_BYTES)?.trim();
}

/**
 * With a limit on the size of files a root could come to its place of which nothing is recorded.
 * @throws BootError STEP_FAILED
 * @see proc_pid_limits(5)
 */
export function requireFileSize(host: Host): void {
  const limits = host.readText("/proc/self/limits", MAX_LIMITS_BYTES) ?? "";
  const [, bytes] = /^Max file size +(\d+) /m.exec(limits) ?? [];
  if (bytes === undefined || Number(bytes) >= LEAST_FILE_BYTES) return;
  throw new BootError(
    "STEP_FAILED",
    `cannot record a boot: the file size limit is ${bytes} bytes`,
    {
      hint: "Lift the limit: ulimit -f unlimited, or LimitFSIZE=infinity in a unit.",
    },
  );
}
