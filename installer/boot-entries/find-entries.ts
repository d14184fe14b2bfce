import path from "node:path";
import { BootError } from "../../runtime/host/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { readMounts } from "../../runtime/mounts.ts";
import type { BootEntry, Loader, ParsedEntry } from "./boot-entry.ts";
import { parseGrub } from "./parse-grub.ts";
import { parseLimine, parseOldLimine } from "./parse-limine.ts";
import { parseLoaderEntry } from "./parse-loader-entry.ts";
import { parseRefindLinux } from "./parse-refind-linux.ts";
import { parseRefind } from "./parse-refind.ts";

export interface FoundEntries {
  readonly entries: readonly BootEntry[];
  /** Files of boot loaders that could not be read, and why. */
  readonly unreadable: readonly {
    readonly file: string;
    readonly why: string;
  }[];
}

const MAX_CONFIG_BYTES = 4 * 1024 * 1024;
/** Where boot partitions are usually mounted. */
export const BOOT_DIRECTORIES = ["/boot", "/boot/efi", "/efi", "/esp"];
/** Directories of a boot partition with a refind_linux.conf, beside those of EFI. */
const MAX_DIRECTORIES = 200;

/**
 * Reads the menus of the boot loaders whose files are mounted here: of rEFInd, systemd-boot, GRUB and
 * Limine.
 */
export function findEntries(host: Host): FoundEntries {
  const found = new Map<string, BootEntry[]>();
  const unreadable: { file: string; why: string }[] = [];
  const readFile = (
    file: string,
    loader: Loader,
    parse: (text: string) => readonly ParsedEntry[],
  ): void => {
    const text = tryToRead(host, file, (why) => {
      unreadable.push({ file, why });
    });
    if (text === undefined) return;
    const real = host.files.realPath(host.path(file));
    if (found.has(real)) return;
    found.set(
      real,
      parse(text).map((entry) => ({ loader, file, ...entry })),
    );
  };
  const readRefind = (file: string): void => {
    readFile(file, "rEFInd", (text) => {
      const { entries, includes } = parseRefind(text);
      for (const name of includes) {
        const other = path.join(path.dirname(file), toSlashes(name));
        readFile(other, "rEFInd", (more) => parseRefind(more).entries);
      }
      return entries;
    });
  };

  for (const root of bootRoots(host)) {
    const within = (...names: readonly string[]) =>
      names.map((name) => path.join(root, name));
    const efi = directoriesIn(host, path.join(root, "EFI"));
    for (const file of [
      ...within("EFI/refind/refind.conf", "EFI/BOOT/refind.conf"),
    ]) {
      readRefind(file);
    }
    for (const directory of [root, ...efi]) {
      const file = path.join(directory, "refind_linux.conf");
      readFile(file, "rEFInd", parseRefindLinux);
    }
    const entries = path.join(root, "loader/entries");
    for (const name of host.files.namesIn(host.path(entries))) {
      if (!name.endsWith(".conf")) continue;
      readFile(path.join(entries, name), "systemd-boot", (text) => {
        const entry = parseLoaderEntry(name, text);
        return entry === undefined ? [] : [entry];
      });
    }
    for (const file of [
      ...within("grub/grub.cfg", "grub/custom.cfg"),
      ...within("grub2/grub.cfg", "grub2/custom.cfg"),
      ...efi.map((directory) => path.join(directory, "grub.cfg")),
    ]) {
      readFile(file, "GRUB", parseGrub);
    }
    for (const directory of [
      ...within("", "limine", "boot", "boot/limine"),
      ...efi,
    ]) {
      readFile(path.join(directory, "limine.conf"), "Limine", parseLimine);
      readFile(path.join(directory, "limine.cfg"), "Limine", parseOldLimine);
    }
  }
  for (const name of host.files.namesIn(host.path(GRUB_SCRIPTS))) {
    if (/^4[01]_custom/.test(name)) {
      readFile(path.join(GRUB_SCRIPTS, name), "GRUB", parseGrub);
    }
  }
  return { entries: [...found.values()].flat(), unreadable };
}

/** What is in here comes into grub.cfg when that is made anew. */
export const GRUB_SCRIPTS = "/etc/grub.d";

/** Directories that are the top of a boot partition, as far as they are seen. */
function bootRoots(host: Host): string[] {
  const partitions = readMounts(host)
    .filter(({ fsType }) => fsType === "vfat")
    .map(({ mountPoint }) => mountPoint);
  return [...new Set([...BOOT_DIRECTORIES, ...partitions])];
}

function directoriesIn(host: Host, directory: string): string[] {
  return host.files
    .namesIn(host.path(directory))
    .slice(0, MAX_DIRECTORIES)
    .map((name) => path.join(directory, name));
}

function tryToRead(
  host: Host,
  file: string,
  refuse: (why: string) => void,
): string | undefined {
  try {
    return host.readText(file, MAX_CONFIG_BYTES);
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    refuse(error.message);
    return undefined;
  }
}

function toSlashes(name: string): string {
  return name.replaceAll("\\", "/");
}
