import { BootError } from "../../../runtime/base/errors.ts";
import type { Filesystem } from "../../system/filesystem.ts";
import type { FoundKernel } from "../plan/entry-facts.ts";
import type { LoaderName, MenuEntry, NewEntry } from "./menu-entry.ts";

/** One boot loader: where it is, how its menu is read, and how an entry is written. */
export interface BootLoader {
  readonly name: LoaderName;
  /** How people call it. */
  readonly title: string;
  /** By which files it is found, the first one first, relative to where a boot partition is mounted. */
  readonly files: readonly string[];
  /** Where it looks for its menus on a boot partition, whether that is there or not. */
  findMenus(root: string, namesIn: ListNames): readonly MenuFile[];
  /** What keeps it from showing a new entry. @param text of the file by which it was found */
  checkConfig?(file: string, text: string): string[];
  /** Why it cannot load a kernel from where that is; `undefined` where it can. */
  whyUnreadable(kernel: FoundKernel): string | undefined;
  /**
   * Where a new entry goes, absolute; `undefined` where that is not known.
   * @param file by which the loader was found, if it was
   */
  findTarget(file: string | undefined, kernel: FoundKernel): string | undefined;
  /** The entry as the loader reads it. @throws BootError ENTRY_UNSUITABLE */
  format(entry: NewEntry): string;
}

/** A file of a boot loader's menu. */
export interface MenuFile {
  readonly loader: LoaderName;
  /** Absolute. */
  readonly file: string;
  parse(text: string): {
    readonly entries: readonly MenuEntry[];
    /** Further ones that it names. */
    readonly includes?: readonly MenuFile[];
  };
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
    : `${device} is ${type}, and ${title} reads FAT alone`;
}

/** Why it does not see the filesystem, where it opens no disks itself. */
export function whyMapped(
  { title }: Pick<BootLoader, "title">,
  { isMapped, device }: Filesystem,
): string | undefined {
  return isMapped
    ? `${title} does not see ${device}, which the kernel makes (LUKS, LVM)`
    : undefined;
}

/** Lines of `#`, as every loader's configuration has comments. */
export function formatComments({ comments }: NewEntry): string {
  return comments.map((comment) => `# ${comment}\n`).join("");
}

/** A name that a boot loader's configuration cannot hold. */
export function cannotWrite(
  { title }: Pick<BootLoader, "title">,
  text: string,
  why: string,
): BootError {
  return new BootError(
    "ENTRY_UNSUITABLE",
    `an entry for ${title} cannot have ${text} in it: ${why}`,
    {
      hint: "Rename what it names, or choose another boot loader with --loader.",
    },
  );
}
