import { DEFAULT_RUN_DIRECTORY } from "../../runtime/disk/run-directory.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { Mount } from "../../runtime/disk/mounts.ts";
import { isSameOrBelow } from "../../runtime/options/overlap.ts";
import type { BootEntry } from "../loaders/formats/boot-entry.ts";
import type { EntryFacts } from "./rules/facts.ts";
import { findOnVolumes } from "./find-on-volumes.ts";
import { readKernelVersion } from "./gather-kernels.ts";
import type { LookIntoInitramfs } from "./look-into-initramfs.ts";

/**
 * Looks at the files that an entry names.
 * @param mounts where they may be seen
 * @param known versions of kernels, which a file's name may have
 */
export async function gatherEntryFiles(
  host: Host,
  mounts: readonly Mount[],
  entry: BootEntry,
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
