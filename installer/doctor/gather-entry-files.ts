import { DEFAULT_RUN_DIRECTORY } from "../../runtime/disk/run-directory.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { Mount } from "../../runtime/disk/mounts.ts";
import { isSameOrBelow } from "../../runtime/base/is-below.ts";
import {
  type FoundEntry,
  pathOnVolume,
} from "../loaders/formats/boot-loader.ts";
import type { EntryFacts } from "./rules/facts.ts";
import { readKernelVersion } from "../system/kernels.ts";
import type { LookIntoInitramfs } from "./look-into-initramfs.ts";
import path from "node:path";
import { locate } from "../system/formats/fstab.ts";

/**
 * Looks at the files that an entry names.
 * @param mounts where they may be seen
 * @param known versions of kernels, which a file's name may have
 */
export async function gatherEntryFiles(
  host: Host,
  mounts: readonly Mount[],
  entry: FoundEntry,
  lookInto: LookIntoInitramfs,
  known: readonly string[],
): Promise<EntryFacts> {
  const find = (name: string) => findOnVolumes(host, mounts, entry, name);
  const { kernel } = entry;
  const kernelFile = kernel === undefined ? undefined : find(kernel);
  return {
    entry,
    kernel:
      kernel === undefined
        ? undefined
        : {
            name: kernel,
            file: kernelFile && shownName(kernelFile, kernel),
            version:
              kernelFile === undefined
                ? undefined
                : readKernelVersion(host, host.path(kernelFile), known),
          },
    initrds: await Promise.all(
      entry.initrds.map(async (name) => {
        const file = find(name);
        return {
          ...{ name, file: file && shownName(file, name) },
          ...(file === undefined
            ? { content: undefined }
            : await lookInto(file)),
        };
      }),
    ),
  };
}

/** What is seen by a mount of dockroot's own, which goes, is named as the entry does. */
function shownName(file: string, name: string): string {
  return isSameOrBelow(file, DEFAULT_RUN_DIRECTORY) ? name : file;
}

/**
 * Where a file that an entry names is seen in the running system: on the volume that the entry's file
 * is on, else on any other that is mounted.
 * @param name as the boot loader names it
 * @param mounts the top level of the image store's filesystem among them
 * @returns `undefined` where it is on none
 */
function findOnVolumes(
  host: Host,
  mounts: readonly Mount[],
  { file, loader, kernel }: FoundEntry,
  name: string,
): string | undefined {
  // refind_linux.conf is for its own directory.
  const isBeside = loader === "refind" && kernel === undefined;
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
  return below === "" || below.startsWith("..")
    ? undefined
    : path.join(mountPoint, below);
}
