import type { Host } from "../../runtime/host/host.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import { BOOT_DIRECTORIES } from "../system/boot-directories.ts";
import { locate } from "../system/formats/locate.ts";
import type { BootRoom, StartFacts } from "./rules/facts.ts";

/** The boot partitions: what is mounted where they usually are, and where kernels of entries were found. */
export function gatherBootRooms(
  host: Host,
  starts: readonly StartFacts[],
): BootRoom[] {
  const mounts = readMounts(host);
  const files = starts
    .flatMap(({ entries }) => entries)
    .flatMap(({ initrds }) => initrds.flatMap(({ file }) => file ?? []))
    .filter((file) => host.files.statusOfTarget(host.path(file)) !== undefined);
  const largest = new Map<string, number>();
  for (const { mountPoint } of mounts) {
    if (BOOT_DIRECTORIES.includes(mountPoint)) largest.set(mountPoint, 0);
  }
  for (const file of files) {
    const real = host.files.realPath(host.path(file));
    const mount = locate(mounts, real)?.mount;
    // The image store's own filesystem is looked at elsewhere.
    if (mount === undefined || mount.fsType === "btrfs") continue;
    const size = host.files.statusOf(real)?.sizeBytes ?? 0;
    const { mountPoint } = mount;
    largest.set(mountPoint, Math.max(largest.get(mountPoint) ?? 0, size));
  }
  return [...largest].map(([mountPoint, largestBytes]) => ({
    ...{ mountPoint, largestBytes },
    room: host.files.roomAt(host.path(mountPoint)),
  }));
}
