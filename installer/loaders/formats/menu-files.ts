import path from "node:path";
import type { Loader, ParsedEntry } from "./boot-entry.ts";
import { parseGrub } from "./parse-grub.ts";
import { parseLimine, parseOldLimine } from "./parse-limine.ts";
import { parseLoaderEntry } from "./parse-loader-entry.ts";
import { parseRefindLinux, parseRefind } from "./parse-refind.ts";

/** A file of a boot loader's menu. */
export interface MenuFile {
  readonly loader: Loader;
  /** Absolute. */
  readonly file: string;
  readonly parse: (text: string) => {
    readonly entries: readonly ParsedEntry[];
    /** Further ones that it names. */
    readonly includes?: readonly MenuFile[];
  };
}

/** The names in a directory; none where there is no such directory. */
export type ListNames = (directory: string) => readonly string[];

/** What is in here comes into grub.cfg when that is made anew. */
export const GRUB_SCRIPTS = "/etc/grub.d";

/** A boot partition has a few directories below EFI. */
const MAX_DIRECTORIES = 200;

/** Where boot loaders look for their menus on a boot partition, whether that is there or not. */
export function menuFilesOf(root: string, namesIn: ListNames): MenuFile[] {
  const within = (...names: readonly string[]) =>
    names.map((name) => path.join(root, name));
  const efi = namesIn(path.join(root, "EFI"))
    .slice(0, MAX_DIRECTORIES)
    .map((name) => path.join(root, "EFI", name));
  const entries = path.join(root, "loader/entries");
  return [
    ...within("EFI/refind/refind.conf", "EFI/BOOT/refind.conf").map(refind),
    ...[root, ...efi].map((directory) =>
      menu("rEFInd", `${directory}/refind_linux.conf`, parseRefindLinux),
    ),
    ...namesIn(entries)
      .filter((name) => name.endsWith(".conf"))
      .map((name) =>
        menu("systemd-boot", `${entries}/${name}`, (text) => {
          const entry = parseLoaderEntry(name, text);
          return entry === undefined ? [] : [entry];
        }),
      ),
    ...[
      ...within("grub/grub.cfg", "grub/custom.cfg"),
      ...within("grub2/grub.cfg", "grub2/custom.cfg"),
      ...efi.map((directory) => `${directory}/grub.cfg`),
    ].map((file) => menu("GRUB", file, parseGrub)),
    ...[root, ...within("limine", "boot", "boot/limine"), ...efi].flatMap(
      (directory) => [
        menu("Limine", `${directory}/limine.conf`, parseLimine),
        menu("Limine", `${directory}/limine.cfg`, parseOldLimine),
      ],
    ),
  ];
}

/** Scripts for GRUB's menu that people write. */
export function grubScripts(namesIn: ListNames): MenuFile[] {
  return namesIn(GRUB_SCRIPTS)
    .filter((name) => /^4[01]_custom/.test(name))
    .map((name) => menu("GRUB", `${GRUB_SCRIPTS}/${name}`, parseGrub));
}

function menu(
  loader: Loader,
  file: string,
  parse: (text: string) => readonly ParsedEntry[],
): MenuFile {
  return { loader, file, parse: (text) => ({ entries: parse(text) }) };
}

function refind(file: string): MenuFile {
  return {
    ...{ loader: "rEFInd", file },
    parse: (text) => {
      const { entries, includes } = parseRefind(text);
      return {
        entries,
        // An included file includes no other.
        includes: includes.map((name) =>
          menu(
            "rEFInd",
            path.join(path.dirname(file), name.replaceAll("\\", "/")),
            (more) => parseRefind(more).entries,
          ),
        ),
      };
    },
  };
}

/**
 * What keeps rEFInd from showing an entry of its configuration.
 * @see https://www.rodsbooks.com/refind/configfile.html (scanfor)
 */
export function checkRefindConfig(file: string, text: string): string[] {
  const scanned = [...text.matchAll(/^[ \t]*scanfor\b(.*)$/gm)].at(-1)?.[1];
  return scanned === undefined || /\bmanual\b/.test(scanned)
    ? []
    : [`${file} shows no entries of its own: add manual to its line scanfor`];
}

/** What keeps GRUB from reading custom.cfg, which grub-mkconfig includes by /etc/grub.d/41_custom. */
export function checkGrubConfig(file: string, text: string): string[] {
  return text.includes("custom.cfg")
    ? []
    : [
        `${file} does not read custom.cfg: make it anew with grub-mkconfig -o ${file}, with /etc/grub.d/41_custom there and executable`,
      ];
}
