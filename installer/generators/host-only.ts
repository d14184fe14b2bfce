import path from "node:path";
import type { Host } from "../../runtime/host/host.ts";

const MAX_BYTES = 1024 * 1024;

/** A variable that a shell's configuration file sets to a plain text. */
interface Setting {
  readonly file: string;
  readonly value: string;
}

/**
 * Finds what a variable is after these files were read.
 * @param files in the order in which the generator reads them
 */
export function findSetting(
  host: Host,
  files: readonly string[],
  name: string,
): Setting | undefined {
  const pattern = new RegExp(`^[ \\t]*${name}=(["']?)([^"'\\s;#]*)\\1`, "gm");
  return files
    .flatMap((file): Setting[] => {
      const text = host.readText(file, MAX_BYTES) ?? "";
      return [...text.matchAll(pattern)].map(([, , value = ""]) => ({
        file,
        value,
      }));
    })
    .at(-1);
}

/**
 * Lists drop-ins in the order of their names.
 * @param directories of two files of one name, that in the earlier directory counts
 */
export function listDropIns(
  host: Host,
  directories: readonly string[],
  isRead: (name: string) => boolean,
): string[] {
  const files = new Map<string, string>();
  for (const directory of directories.toReversed()) {
    for (const name of host.files.namesIn(host.path(directory))) {
      if (isRead(name)) files.set(name, path.join(directory, name));
    }
  }
  return [...files.keys()].toSorted().flatMap((name) => files.get(name) ?? []);
}

/** What is wrong with an image for one machine alone, and when. */
export const FOR_ONE_MACHINE =
  "has only the drivers of the machine that it is built on. If it is to boot another machine,";
