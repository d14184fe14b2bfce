import path from "node:path";
import type { Host } from "../../runtime/host/host.ts";
import type { Mount } from "../../runtime/disk/mounts.ts";
import { pathOnVolume } from "../loaders/formats/path-on-volume.ts";
import type { BootEntry } from "../loaders/formats/boot-entry.ts";
import { locate } from "../system/formats/locate.ts";

/**
 * Where a file that an entry names is seen in the running system: on the volume that the entry's file
 * is on, else on any other that is mounted.
 * @param name as the boot loader names it
 * @param mounts the top level of the image store's filesystem among them
 * @returns `undefined` where it is on none
 */
export function findOnVolumes(
  host: Host,
  mounts: readonly Mount[],
  { file, loader, kernel }: BootEntry,
  name: string,
): string | undefined {
  // refind_linux.conf is for its own directory.
  const isBeside = loader === "rEFInd" && kernel === undefined;
  const own = locate(mounts, host.files.realPath(host.path(file)))?.mount;
  const onVolume = pathOnVolume(name);
  const candidates = [
    ...(isBeside
      ? [path.join(path.dirname(file), path.basename(onVolume))]
      : []),
    ...[
      ...(own === undefined ? [] : [own]),
      // It reads no other volume.
      ...(loader === "systemd-boot" ? [] : mounts.toReversed()),
    ].flatMap((mount) => seenAt(mount, onVolume) ?? []),
  ];
  return candidates.find(
    (candidate) =>
      host.files.statusOfTarget(host.path(candidate))?.kind === "file",
  );
}

/** @param file from the filesystem's top level, with a slash before it */
function seenAt({ root, mountPoint }: Mount, file: string): string | undefined {
  const below = path.relative(root, file);
  return below === "" || below.startsWith("../commands/doctor")
    ? undefined
    : path.join(mountPoint, below);
}
