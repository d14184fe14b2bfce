import { BootError } from "../../../runtime/base/errors.ts";
import type { OpenFile } from "../../../runtime/host/read-file.ts";
import type { Tries } from "../../../runtime/records/deployments.ts";
import type { Filesystem } from "../../system/filesystem.ts";
import type { FoundKernel } from "../plan/plan-entry.ts";
import {
  lastValues,
  parseCmdline,
  type CmdlineOption,
} from "../../../runtime/options/cmdline.ts";
import { lastSubvolume, splitPath } from "../../../runtime/options/parsers.ts";
import { rwlayerOfGeneration } from "../../../runtime/options/rwlayer-names.ts";
import { isOwnOption } from "../../../runtime/options/table.ts";

/** One boot loader: where it is, how its menu is read, and how an entry is written. */
export interface BootLoader {
  readonly name: LoaderName;
  /** As people call it. */
  readonly title: string;
  /** By which files it is found, the first one first, relative to where a boot partition is mounted. */
  readonly files: readonly string[];
  /** Where it looks for its menus on a boot partition, whether that is there or not. */
  findMenus(root: string, namesIn: ListNames): readonly MenuFile[];
  /** What keeps it from showing a new entry. @param text of the file by which it was found */
  checkConfig?(file: string, text: string): string[];
  /** Why it cannot load a kernel from where that is; `undefined` where it can. */
  whyUnreadable(
    place: Pick<FoundKernel, "filesystem" | "mountPoint">,
  ): string | undefined;
  /**
   * Where a new entry goes, absolute; `undefined` where that is not known.
   * @param file by which the loader was found, if it was
   */
  findTarget(file: string | undefined, kernel: FoundKernel): string | undefined;
  /** The entry as the loader reads it. @throws BootError ENTRY_UNSUITABLE */
  format(entry: NewEntry): string;
}

/** A file of a boot loader's menu. */
export type MenuFile = {
  readonly loader: LoaderName;
  /** Absolute. */
  readonly file: string;
} & (
  | { parse(text: string): Menu; readonly readParts?: undefined }
  /** Of a file that is no text. @throws BootError FILE_UNREADABLE */
  | { readParts(file: OpenFile): Menu; readonly parse?: undefined }
);

interface Menu {
  readonly entries: readonly MenuEntry[];
  /** Further files that it names. */
  readonly includes?: readonly MenuFile[];
}

/** The names in a directory; none where there is no such directory. */
export type ListNames = (directory: string) => readonly string[];

/** A boot partition has a few directories below EFI. */
const MAX_DIRECTORIES = 200;

/** The directories below EFI on a boot partition. */
export function efiDirectories(root: string, namesIn: ListNames): string[] {
  return namesIn(`${root}/EFI`)
    .slice(0, MAX_DIRECTORIES)
    .map((name) => `${root}/EFI/${name}`);
}

export function menuFile(
  loader: LoaderName,
  file: string,
  parse: (text: string) => readonly MenuEntry[],
): MenuFile {
  return { loader, file, parse: (text) => ({ entries: parse(text) }) };
}

/** Why it does not read the filesystem, where it has no drivers of others than FAT. */
export function whyNotFat(
  { title }: Pick<BootLoader, "title">,
  { type, device }: Filesystem,
): string | undefined {
  return type === "vfat"
    ? undefined
    : `${device} is ${type}, and ${title} reads only FAT`;
}

/** Why it does not see the filesystem, where it opens no disks itself. */
export function whyMapped(
  { title }: Pick<BootLoader, "title">,
  { isMapped, device }: Filesystem,
): string | undefined {
  return isMapped
    ? `${title} cannot read ${device}, which is on LUKS or LVM`
    : undefined;
}

/** Lines of `#`, as every loader's configuration has comments. */
export function formatComments({ comments }: NewEntry): string {
  return comments.map((comment) => `# ${comment}\n`).join("");
}

/**
 * @returns the text, which the boot loader's configuration can hold
 * @throws BootError ENTRY_UNSUITABLE where it matches
 */
export function refuse(
  loader: Pick<BootLoader, "title">,
  text: string,
  unsuitable: RegExp,
  why: string,
): string {
  if (unsuitable.test(text)) throw cannotWrite(loader, text, why);
  return text;
}

export function cannotWrite(
  { title }: Pick<BootLoader, "title">,
  text: string,
  why: string,
): BootError {
  return new BootError(
    "ENTRY_UNSUITABLE",
    `cannot write ${text} into an entry for ${title}: ${why}`,
    {
      hint: "Rename it, or choose another boot loader with --loader.",
    },
  );
}

/** The boot loaders that an entry can be made for; `efistub` is the firmware itself. */
export const LOADERS = [
  "refind",
  "systemd-boot",
  "grub",
  "limine",
  "efistub",
] as const;

export type LoaderName = (typeof LOADERS)[number];

export function isLoaderName(name: string | null): name is LoaderName {
  return (LOADERS as readonly (string | null)[]).includes(name);
}

/** An entry of a boot menu that boots a Linux kernel. */
export interface MenuEntry {
  /** With those of the menus that it is in: `Advanced options > Debian`. */
  readonly title: string;
  /** As the boot loader names it; `undefined` where it looks for one itself. */
  readonly kernel: string | undefined;
  /** As the boot loader names them, in order. */
  readonly initrds: readonly string[];
  /** The kernel command line. */
  readonly options: string;
  /** Whether it is a unified kernel image: the file has kernel, initramfs and options in it. */
  readonly isUki?: boolean;
}

/** An entry that is in a menu. */
export interface FoundEntry extends MenuEntry {
  readonly loader: LoaderName;
  /** Where it stands. */
  readonly file: string;
  /** What people call that, where it is seen by a mount that goes. */
  readonly shown?: string;
}

/** An entry to be written. Its files are named from their filesystem's top level, with a slash first. */
export interface NewEntry extends MenuEntry {
  readonly kernel: string;
  /** What kernel and initramfs are on. */
  readonly filesystem: Filesystem;
  /** Whether that has the loader's configuration, too. */
  readonly isOnLoadersFilesystem: boolean;
  /** The kernel's. */
  readonly version: string | undefined;
  /** Lines for whoever reads the entry. */
  readonly comments: readonly string[];
  /** By which a menu that has such names knows it. */
  readonly id: string;
  /** What systemd-boot sorts entries by, before their versions. */
  readonly sortKey?: string;
  /** Where the boot loader counts how often it starts the entry. */
  readonly tries?: Tries | null;
}

/**
 * The images that the kernel's EFI stub loads by itself.
 * @see https://docs.kernel.org/admin-guide/efi-stub.html (the initrd= option)
 */
export function stubInitrds(options: string): string[] {
  return parseCmdline(options).flatMap(({ key, value }) =>
    key === "initrd" && value !== undefined && value !== "" ? [value] : [],
  );
}

/** A menu's title before that of what is in it. */
export function joinTitles(...titles: readonly string[]): string {
  return titles.filter((title) => title !== "").join(" > ");
}

/** A key and its value, as lines of a configuration give them. */
export type KeyValue = readonly [key: string, value: string];

/** The values of a key that may be repeated. */
export function valuesOf(lines: readonly KeyValue[], key: string): string[] {
  return lines.flatMap(([name, value]) => (name === key ? [value] : []));
}

/**
 * A file as a boot loader names it, without what says on which volume it is: GRUB's `(hd0,gpt2)/x`,
 * Limine's `boot():/x` and `boot:///x` with or without a hash, and EFI's `\x`.
 * @returns a path from the volume's top level, with a slash before it
 */
export function pathOnVolume(named: string): string {
  const path = named
    .replace(/^\$(?=\w+\()/, "")
    .replace(/^\([^)]*\)/, "")
    .replace(/^\w+\([^)]*\):/, "")
    .replace(/^(?:boot|hdd|odd|guid|uuid|fslabel):\/\/[^/]*/, "")
    .replace(/#[0-9a-f]{128}$/i, "")
    .replaceAll("\\", "/");
  return `/${path.replace(/^\/+/, "")}`;
}

/** An option as one word without quotes: `key`, or `key=value`. */
export function formatOption({ key, value }: CmdlineOption): string {
  return value === undefined ? key : `${key}=${value}`;
}

/**
 * The command line as the kernel reads it: a value with white space stands in quotes.
 * @see https://www.kernel.org/doc/html/latest/admin-guide/kernel-parameters.html
 */
export function formatCmdline(options: readonly CmdlineOption[]): string {
  const quoted = options.map((option) => {
    const { key, value = "" } = option;
    if (/\s/.test(key)) return `"${formatOption(option)}"`;
    return /\s/.test(value) ? `${key}="${value}"` : formatOption(option);
  });
  return quoted.join(" ");
}

/** Whether a kernel command line can hold it: it has no way to write a quote. */
export function canBeOption(text: string): boolean {
  // What is not valid UTF-8 is not known here.
  return !/["\p{Cc}\ufffd]/u.test(text);
}

/** The rwlayer of the tutorial. */
export const USUAL_RWLAYER = "docker_rwlayer";

/** Where the tutorial has the top layer: from the top of the filesystem with the images. */
export const USUAL_TOP_LAYER = "boot_docker";

/**
 * Whether a kernel command line is meant to boot an image: it has options of dockroot's own, or a
 * rwlayer, or one of its generations, as `rootflags=subvol=`.
 * @param rwlayers the names that are known
 */
export function isForDockroot(
  cmdline: string,
  rwlayers: readonly string[] = [],
): boolean {
  const options = parseCmdline(cmdline);
  if (options.some(({ key }) => isOwnOption(key))) return true;
  const flags = lastValues(options).get("rootflags") ?? "";
  const subvolume = lastSubvolume(flags);
  if (subvolume === undefined) return false;
  const file = splitPath(subvolume).join("/");
  return (
    [USUAL_RWLAYER, ...rwlayers].includes(file) ||
    rwlayerOfGeneration(file) !== undefined
  );
}
