import type { Host } from "./host/host.ts";

const MAX_RELEASE_BYTES = 4096;
const MAX_ID_BYTES = 4096;
/** Filesystem types of an initramfs's root (statfs(2)): ramfs, tmpfs. */
const INITRAMFS_TYPES = new Set([0x858458f6, 0x01021994]);

/** Whether `/` is an initramfs, by the type of its filesystem, as switch_root tells it. */
export function isInitramfs(host: Host): boolean {
  return INITRAMFS_TYPES.has(host.files.filesystemType(host.path("/")));
}

/**
 * What tells one boot of the kernel from every other; `undefined` where /proc does not tell.
 * @see random(4)
 */
export function readBootId(host: Host): string | undefined {
  const text = host.readText("/proc/sys/kernel/random/boot_id", MAX_ID_BYTES);
  return text?.trim();
}

/** What `uname -r` prints. */
export function readKernelRelease(host: Host): string {
  return (
    host.readText("/proc/sys/kernel/osrelease", MAX_RELEASE_BYTES) ?? ""
  ).trim();
}
