import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import type { Host } from "../../runtime/host/host.ts";
import { OVERLAY_DISK } from "../../runtime/records/boot-record.ts";
import {
  BOOT_DIRECTORIES,
  BOOTS_ON_DISK,
} from "../system/formats/kernel-files.ts";
import type {
  FoundEntry,
  ListNames,
  LoaderName,
  MenuFile,
} from "./formats/boot-loader.ts";
import { BOOT_LOADERS, CHOICES } from "./formats/boot-loaders.ts";
import { parseLoadOption } from "./formats/load-option.ts";
import { ATTRIBUTES_BYTES, EFI_VARIABLES } from "./efi-variables.ts";
import type { OpenFile } from "../../runtime/host/read-file.ts";
import { grubScripts } from "./formats/grub.ts";
import { decodeConfig } from "./formats/config-text.ts";
import type { FoundLoader } from "./plan/plan-entry.ts";

export interface FoundEntries {
  readonly entries: readonly FoundEntry[];
  /** Files of boot loaders that could not be read, and why. */
  readonly unreadable: readonly {
    readonly file: string;
    readonly why: string;
  }[];
}

const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/**
 * Reads the menus of the boot loaders whose files are mounted here.
 * @param nameFile what people call a file
 */
export function findEntries(
  host: Host,
  nameFile: (file: string) => string = (file) => file,
): FoundEntries {
  const namesIn = (directory: string) =>
    host.files.namesIn(host.path(directory));
  const menus = bootRoots(host).flatMap((root) =>
    Object.values(BOOT_LOADERS).flatMap((loader) =>
      loader.findMenus(root, namesIn),
    ),
  );
  menus.push(...grubScripts(namesIn), ...firmwareEntries(namesIn));
  const { entries, unreadable } = readMenus(host, menus);
  return {
    entries: entries.map((entry) => {
      const shown = nameFile(entry.file);
      return shown === entry.file ? entry : { ...entry, shown };
    }),
    unreadable: unreadable.map(({ file, why }) => ({
      file: nameFile(file),
      why,
    })),
  };
}

/** Reads these files, and those that they name. */
export function readMenus(
  host: Host,
  given: readonly MenuFile[],
): FoundEntries {
  const menus = [...given];
  const entries: FoundEntry[] = [];
  const unreadable: { file: string; why: string }[] = [];
  const seen = new Set<string>();
  for (const menu of menus) {
    const { loader, file } = menu;
    const { found, why } = tryTo(() => readMenu(host, menu));
    if (why !== undefined) unreadable.push({ file, why });
    if (found === undefined) continue;
    const real = host.files.realPath(host.path(file));
    if (seen.has(real)) continue;
    seen.add(real);
    entries.push(...found.entries.map((entry) => ({ ...entry, loader, file })));
    menus.push(...(found.includes ?? []));
  }
  return { entries, unreadable };
}

/** Directories that are the top of a boot partition, or the /boot of a disk below an overlay, as far as they are seen. */
function bootRoots(host: Host): string[] {
  const mounts = readMounts(host);
  const partitions = mounts
    .filter(({ fsType }) => fsType === "vfat")
    .map(({ mountPoint }) => mountPoint);
  const hasDisk = mounts.some(({ mountPoint }) => mountPoint === OVERLAY_DISK);
  const onDisk = hasDisk ? BOOTS_ON_DISK : [];
  return [
    ...new Set([...BOOT_DIRECTORIES, ...partitions]),
    ...onDisk.map((boot) => path.join(OVERLAY_DISK, boot)),
  ];
}

/** @returns `undefined` where there is no such file @throws BootError */
function readMenu(host: Host, { loader, file, parse, readParts }: MenuFile) {
  if (parse === undefined) {
    return host.files.withFile(host.path(file), Infinity, readParts);
  }
  const text = readConfig(host, loader, file);
  return text === undefined ? undefined : parse(text);
}

/** @returns `undefined` where there is no such file @throws BootError */
export function readConfig(
  host: Host,
  loader: LoaderName,
  file: string,
): string | undefined {
  const bytes = host.files.readBytes(host.path(file), MAX_CONFIG_BYTES);
  if (bytes === undefined) return undefined;
  // What is in another encoding may have lines in ASCII.
  const decoded = decodeConfig(bytes, loader === "refind");
  return decoded?.text ?? bytes.toString("utf8");
}

/** @returns what the work gives, or why it fails */
function tryTo<T>(work: () => T): { found?: T; why?: string } {
  try {
    return { found: work() };
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return { why: error.message };
  }
}

const LOAD_OPTION = /^Boot[\dA-F]{4}-8be4df61-93ca-11d2-aa0d-00e098032b8c$/;

/** Entries of the firmware's own menu. */
export function firmwareEntries(namesIn: ListNames): MenuFile[] {
  const readParts = (file: OpenFile) => {
    const bytes = Buffer.alloc(file.sizeBytes());
    file.read(bytes, 0);
    const entry = parseLoadOption(bytes.subarray(ATTRIBUTES_BYTES));
    return { entries: entry === undefined ? [] : [entry] };
  };
  return namesIn(EFI_VARIABLES)
    .filter((name) => LOAD_OPTION.test(name))
    .map((name) => ({
      loader: "efistub",
      file: `${EFI_VARIABLES}/${name}`,
      readParts,
    }));
}

/**
 * The boot loaders that are there, the best one first.
 * @param uuidOf of the filesystem that a directory is on
 */
export function findLoaders(
  host: Host,
  uuidOf: (directory: string) => string | undefined,
): FoundLoader[] {
  return CHOICES.flatMap(({ name, files, checkConfig }) => {
    const file = BOOT_DIRECTORIES.flatMap((directory) =>
      files.map((below) => path.join(directory, below)),
    ).find((file) => host.files.statusOfTarget(host.path(file)) !== undefined);
    if (file === undefined) return [];
    // One that cannot be read is no failure: the entry may be for another loader.
    const { found: text = "", why } =
      checkConfig === undefined
        ? {}
        : tryTo(() => readConfig(host, name, file));
    return [
      {
        name,
        file,
        filesystemUuid: uuidOf(path.dirname(file)),
        warnings: why === undefined ? (checkConfig?.(file, text) ?? []) : [why],
        drivers: name === "refind" ? findDrivers(host, file) : [],
      },
    ];
  });
}

/** rEFInd's drivers of filesystems: `drivers_x64/btrfs_x64.efi`. */
export function findDrivers(host: Host, config: string): string[] {
  const directory = path.dirname(config);
  return host.files
    .namesIn(host.path(directory))
    .filter((name) => /^drivers(?:_|$)/.test(name))
    .flatMap((name) => host.files.namesIn(host.path(`${directory}/${name}`)))
    .flatMap((name) => /^(\w+?)(?:_[a-z0-9]+)?\.efi$/i.exec(name)?.[1] ?? [])
    .map((name) => name.toLowerCase());
}
