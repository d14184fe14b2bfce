import { readBootId } from "../../host/machine.ts";
import type { SubvolumeRecord } from "../../records/rwlayer-state.ts";
import type { Disk } from "../disk.ts";
import {
  findMountOf,
  processIdsOf,
  seesAllMounts,
  type SubvolumeMount,
} from "../mounts.ts";

/**
 * Who uses a subvolume of ours: where it is mounted, or what else the running kernel still has of it.
 * @param mounts of the disk
 * @param file relative to its top level
 * @returns in words, to follow "it is"; `undefined` where nobody is known to use it
 */
export function findUse(
  disk: Disk,
  mounts: readonly SubvolumeMount[],
  file: string,
  record: SubvolumeRecord | undefined,
): string | undefined {
  const at = findMountOf(mounts, file);
  return at === undefined
    ? findUseAsRoot(disk, file, record)
    : `mounted at ${at}`;
}

/**
 * Who uses what this kernel has mounted as root, and is not mounted where it can be seen: it may be where
 * it cannot be seen, or a process may still be in it.
 * @returns as `findUse`
 */
export function findUseAsRoot(
  disk: Disk,
  file: string,
  record: SubvolumeRecord | undefined,
): string | undefined {
  const { host } = disk;
  if (record?.bootId === undefined || record.bootId !== readBootId(host)) {
    return undefined;
  }
  if (!seesAllMounts(host)) return "a root of the running system";
  const device = host.files.deviceOf(disk.at(file));
  if (device === undefined) return undefined;
  const processId = processIdsOf(host).find((id) =>
    ["root", "cwd", "exe"].some(
      (name) =>
        host.files.deviceOf(host.path(`/proc/${id}/${name}`)) === device,
    ),
  );
  return processId === undefined ? undefined : `in use by process ${processId}`;
}
