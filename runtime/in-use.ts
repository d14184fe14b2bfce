import type { Host } from "./host/host.ts";
import { readBootId } from "./machine.ts";
import { findMountOf, seesAllMounts, type SubvolumeMount } from "./mounts.ts";
import type { SubvolumeRecord } from "./rwlayer-state.ts";

/**
 * Who uses a subvolume of ours: where it is mounted, or else, where the rest of the system is hidden,
 * whether the running kernel has mounted it as root.
 * @param mounts as `readMountsOf` gives them
 * @param file relative to the top level
 * @returns in words, to follow "it is"; `undefined` where nobody is known to use it
 */
export function findUse(
  host: Host,
  mounts: readonly SubvolumeMount[],
  file: string,
  record: SubvolumeRecord | undefined,
): string | undefined {
  const at = findMountOf(mounts, file);
  if (at !== undefined) return `mounted at ${at}`;
  return isHiddenRoot(host, record)
    ? "a root of the running system"
    : undefined;
}

/** Whether this kernel has mounted it as root, and may still have it mounted where it cannot be seen. */
export function isHiddenRoot(
  host: Host,
  record: SubvolumeRecord | undefined,
): boolean {
  return (
    record?.bootId !== undefined &&
    record.bootId === readBootId(host) &&
    !seesAllMounts(host)
  );
}
