import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import { BOOT_DIRECTORIES } from "../system/kernels.ts";
import type { BootEntry } from "./formats/boot-entry.ts";
import {
  grubScripts,
  menuFilesOf,
  type MenuFile,
} from "./formats/menu-files.ts";

export interface FoundEntries {
  readonly entries: readonly BootEntry[];
  /** Files of boot loaders that could not be read, and why. */
  readonly unreadable: readonly {
    readonly file: string;
    readonly why: string;
  }[];
}

const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/**
 * Reads the menus of the boot loaders whose files are mounted here: of rEFInd, systemd-boot, GRUB and
 * Limine.
 */
export function findEntries(host: Host): FoundEntries {
  const namesIn = (directory: string) =>
    host.files.namesIn(host.path(directory));
  const pending: MenuFile[] = [
    ...bootRoots(host).flatMap((root) => menuFilesOf(root, namesIn)),
    ...grubScripts(namesIn),
  ];
  const entries: BootEntry[] = [];
  const unreadable: { file: string; why: string }[] = [];
  const seen = new Set<string>();
  for (const { loader, file, parse } of pending) {
    const read = tryToRead(host, file);
    if (read === undefined) continue;
    if ("why" in read) {
      unreadable.push({ file, ...read });
      continue;
    }
    const real = host.files.realPath(host.path(file));
    if (seen.has(real)) continue;
    seen.add(real);
    const found = parse(read.text);
    entries.push(...found.entries.map((entry) => ({ loader, file, ...entry })));
    pending.push(...(found.includes ?? []));
  }
  return { entries, unreadable };
}

/** Directories that are the top of a boot partition, as far as they are seen. */
function bootRoots(host: Host): string[] {
  const partitions = readMounts(host)
    .filter(({ fsType }) => fsType === "vfat")
    .map(({ mountPoint }) => mountPoint);
  return [...new Set([...BOOT_DIRECTORIES, ...partitions])];
}

/** @returns `undefined` where there is no such file */
function tryToRead(
  host: Host,
  file: string,
): { readonly text: string } | { readonly why: string } | undefined {
  try {
    const text = host.readText(file, MAX_CONFIG_BYTES);
    return text === undefined ? undefined : { text };
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return { why: error.message };
  }
}
