import type { Host } from "./host/host.ts";
import { readBootId } from "./machine.ts";
import { findMountOf, type SubvolumeMount } from "./mounts.ts";
import type { SubvolumeRecord } from "./rwlayer-state.ts";

/**
 * Who uses a subvolume of ours. A mount that is seen in any mount namespace tells, and else that the
 * running kernel has mounted it as root: in a container the rest of the system may be hidden.
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
  return isRootOfRunningKernel(host, record)
    ? "a root of the running system"
    : undefined;
}

/** Whether this boot of the kernel has mounted it as root: who asks may not see that it still does. */
export function isRootOfRunningKernel(
  host: Host,
  record: SubvolumeRecord | undefined,
): boolean {
  return record?.bootId !== undefined && record.bootId === readBootId(host);
}
