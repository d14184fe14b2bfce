import path from "node:path";
import type { Host } from "../../host/host.ts";
import { readBootId } from "../../host/machine.ts";
import {
  findMountOf,
  processIdsOf,
  seesAllMounts,
  type SubvolumeMount,
} from "../mounts.ts";
import type { SubvolumeRecord } from "../../records/rwlayer-state.ts";

/**
 * Who uses a subvolume of ours: where it is mounted, or what else the running kernel still has of it.
 * @param mounts as `readMountsOf` gives them
 * @param topLevel where the filesystem's top level is mounted
 * @param file relative to that
 * @returns in words, to follow "it is"; `undefined` where nobody is known to use it
 */
export function findUse(
  host: Host,
  mounts: readonly SubvolumeMount[],
  topLevel: string,
  file: string,
  record: SubvolumeRecord | undefined,
): string | undefined {
  const at = findMountOf(mounts, file);
  if (at !== undefined) return `mounted at ${at}`;
  return findUseAsRoot(host, path.join(topLevel, file), record);
}

/**
 * Who uses what this kernel has mounted as root, and is not mounted where it can be seen: it may be where
 * it cannot be seen, or a process may still be in it.
 * @param tree the root's directory
 * @returns as `findUse`
 */
export function findUseAsRoot(
  host: Host,
  tree: string,
  record: SubvolumeRecord | undefined,
): string | undefined {
  if (record?.bootId === undefined || record.bootId !== readBootId(host)) {
    return undefined;
  }
  if (!seesAllMounts(host)) return "a root of the running system";
  const device = host.files.deviceOf(tree);
  const processId = processIdsOf(host).find((id) =>
    ["root", "cwd", "exe"].some(
      (name) =>
        device !== undefined &&
        host.files.deviceOf(host.path(`/proc/${id}/${name}`)) === device,
    ),
  );
  return processId === undefined ? undefined : `in use by process ${processId}`;
}
