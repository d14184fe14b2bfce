import path from "node:path";
import { BootError } from "../../../runtime/base/errors.ts";
import { quoteForRefind } from "../../../runtime/base/quote.ts";
import type { Filesystem } from "../../system/filesystem.ts";
import {
  efiDirectories,
  joinTitles,
  menuFile,
  refuse,
  stubInitrds,
  whyMapped,
  type BootLoader,
  type MenuEntry,
  type MenuFile,
  type NewEntry,
} from "./boot-loader.ts";

const FILES = ["EFI/refind/refind.conf", "EFI/BOOT/refind.conf"];

const FILESYSTEMS = new Set(["vfat", "btrfs", "ext2", "ext3", "ext4"]);

/** rEFInd: manual boot stanzas of its configuration, and a refind_linux.conf beside kernels. */
export const refind: BootLoader = {
  name: "refind",
  title: "rEFInd",
  files: FILES,
  findMenus: (root, namesIn) => [
    ...FILES.map((file) => findStanzas(path.join(root, file))),
    ...[root, ...efiDirectories(root, namesIn)].map((directory) =>
      menuFile("refind", `${directory}/refind_linux.conf`, (text) =>
        parseRefindLinux(text, namesIn(directory)),
      ),
    ),
  ],
  checkConfig: checkRefindConfig,
  whyUnreadable: ({ filesystem }) =>
    whyMapped(refind, filesystem) ??
    (FILESYSTEMS.has(filesystem.type)
      ? undefined
      : `${filesystem.device} is ${filesystem.type}, which rEFInd does not read`),
  findTarget: (file) => file,
  format: formatRefind,
};

function findStanzas(file: string): MenuFile {
  const parse = (text: string) => {
    const { entries, includes } = parseRefind(text);
    // An included file includes no other.
    const further = includes.map((name) =>
      menuFile(
        "refind",
        path.join(path.dirname(file), name.replaceAll("\\", "/")),
        (more) => parseRefind(more).entries,
      ),
    );
    return { entries, includes: further };
  };
  return { loader: "refind", file, parse };
}

/**
 * What keeps rEFInd from showing an entry of its configuration.
 * @see https://www.rodsbooks.com/refind/configfile.html (scanfor)
 */
export function checkRefindConfig(file: string, text: string): string[] {
  const scanned = [...text.matchAll(/^[ \t]*scanfor\b(.*)$/gm)].at(-1)?.[1];
  return scanned === undefined || /\bmanual\b/.test(scanned)
    ? []
    : [`${file} hides the entries of its own: add manual to its line scanfor`];
}

/** What a refind.conf says. */
interface RefindConfig {
  readonly entries: readonly MenuEntry[];
  /** Files that are read besides, from the same directory. */
  readonly includes: readonly string[];
}

/** What the text says of the entry that is selected at first: a part of its title. */
export function findDefaultSelection(text: string): string | undefined {
  const lines = text.split(/\r?\n/).map(splitRefindLine);
  return lines.findLast(([key]) => key === "default_selection")?.[1];
}

interface Stanza {
  title: string;
  kernel: string | undefined;
  initrds: readonly string[];
  options: string;
  isDisabled: boolean;
}

/**
 * Parses a refind.conf: its manual boot stanzas, and the entries of their submenus.
 * @see https://www.rodsbooks.com/refind/configfile.html#stanzas
 */
export function parseRefind(text: string): RefindConfig {
  const entries: MenuEntry[] = [];
  const includes: string[] = [];
  let menu: Stanza | undefined;
  let below: Stanza | undefined;
  /** They come after the stanza that they vary, whose lines may follow them. */
  let belows: Stanza[] = [];
  for (const line of text.split(/\r?\n/)) {
    const [word = "", ...values] = splitRefindLine(line);
    const [first = ""] = values;
    const key = word.toLowerCase();
    if (menu === undefined) {
      if (key === "menuentry") menu = openStanza(first);
      else if (key === "include") includes.push(...values.slice(0, 1));
    } else if (key === "submenuentry") {
      const { title } = openStanza(first);
      below = { ...menu, title: joinTitles(menu.title, title) };
    } else if (key !== "}") {
      setValue(below ?? menu, key, values);
    } else if (below === undefined) {
      if (!menu.isDisabled) entries.push(...[menu, ...belows].flatMap(toEntry));
      [menu, belows] = [undefined, []];
    } else {
      belows.push(below);
      below = undefined;
    }
  }
  return { entries, includes };
}

/** @param word after the key: the title, or where there is none the brace */
function openStanza(word: string): Stanza {
  return {
    title: word === "{" ? "" : word,
    kernel: undefined,
    initrds: [],
    options: "",
    isDisabled: false,
  };
}

function setValue(
  stanza: Stanza,
  key: string,
  values: readonly string[],
): void {
  const [first] = values;
  if (key === "loader") stanza.kernel = first;
  else if (key === "initrd") stanza.initrds = values.slice(0, 1);
  else if (key === "options") stanza.options = values.join(" ");
  else if (key === "add_options") {
    stanza.options = [stanza.options, ...values].join(" ").trim();
  } else if (key === "disabled") stanza.isDisabled = true;
}

/** @returns nothing where it is not shown */
function toEntry(stanza: Stanza): MenuEntry[] {
  const { title, kernel, options, isDisabled } = stanza;
  if (isDisabled || kernel === undefined) return [];
  const initrds = [...stanza.initrds, ...stubInitrds(options)];
  return [{ title, kernel, initrds, options }];
}

/**
 * The words of a line, as rEFInd splits it: blanks, commas and equals signs separate them, double
 * quotes protect those, two double quotes within quotes are one, and `#` begins a comment.
 * @see https://www.rodsbooks.com/refind/configfile.html
 */
function splitRefindLine(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let isQuoted = false;
  for (let at = 0; at < line.length; at += 1) {
    const character = line.charAt(at);
    if (character === '"') {
      if (isQuoted && line.charAt(at + 1) === '"') {
        word = `${word ?? ""}"`;
        at += 1;
        continue;
      }
      isQuoted = !isQuoted;
      word ??= "";
    } else if (!isQuoted && character === "#") {
      break;
    } else if (!isQuoted && /[\s,=]/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? "") + character;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}

/**
 * Parses a refind_linux.conf: in each line a title and the options for all kernels in the file's
 * directory. `%v` in the name of an initramfs is each kernel's version.
 * @param names in that directory
 * @see https://www.rodsbooks.com/refind/linux.html#refind_linux
 */
export function parseRefindLinux(
  text: string,
  names: readonly string[],
): MenuEntry[] {
  const versions = names.flatMap((name) => findVersion(name) ?? []);
  const nameFiles = (file: string) =>
    file.includes("%v") && versions.length > 0
      ? versions.map((version) => file.replaceAll("%v", version))
      : [file];
  return text.split(/\r?\n/).flatMap((line) => {
    const [title, options] = splitRefindLine(line);
    if (title === undefined || options === undefined) return [];
    const initrds = stubInitrds(options).flatMap(nameFiles);
    return [{ title, kernel: undefined, initrds, options }];
  });
}

/**
 * What `%v` stands for with a kernel: its name from the first digit to the last, else what follows the
 * first dash, as extra_kernel_version_strings has to name it.
 * @returns `undefined` where the name is not a kernel's
 */
function findVersion(name: string): string | undefined {
  const [, suffix] = /^(?:vmlinuz|bzImage|kernel)-(.+)$/i.exec(name) ?? [];
  return suffix && (/\d(?:.*\d)?/.exec(suffix)?.[0] ?? suffix);
}

/**
 * A manual boot stanza.
 * @throws BootError ENTRY_UNSUITABLE
 * @see https://www.rodsbooks.com/refind/configfile.html (Creating Manual Boot Stanzas)
 */
function formatRefind(entry: NewEntry): string {
  const { title, filesystem, kernel, initrds, options, comments } = entry;
  for (const file of initrds) {
    // It becomes initrd= on the kernel's command line, which the kernel's EFI stub cuts at blanks.
    refuse(refind, file, /\s/, "it contains a space");
  }
  // A stanza has one initrd: several are for the kernel itself to load.
  const [own, inOptions] = initrds.length === 1 ? [initrds, []] : [[], initrds];
  const words = [
    ...inOptions.map((file) => `initrd=${backslashed(file)}`),
    options,
  ];
  const lines = [
    ...comments.map((comment) => `# ${comment}`),
    ...(entry.isOnLoadersFilesystem
      ? []
      : [`volume ${quote(nameVolume(filesystem))}`]),
    `loader ${quote(backslashed(kernel))}`,
    ...own.map((file) => `initrd ${quote(backslashed(file))}`),
    `options ${quote(words.join(" "))}`,
  ];
  return `menuentry ${quote(title)} {\n${lines.map((line) => `    ${line}\n`).join("")}}\n`;
}

/** As the firmware reads it: outside of quotes alone rEFInd takes slashes, too. */
function backslashed(file: string): string {
  refuse(refind, file, /\\/, "a backslash is read as a slash");
  return file.replaceAll("/", "\\");
}

/** Always in quotes, in which a quote is doubled: outside of them `=` and `,` separate. */
function quote(text: string): string {
  refuse(refind, text, /[^\x20-\x7e]/, "rEFInd reads only ASCII");
  return quoteForRefind(text);
}

/** @throws BootError ENTRY_UNSUITABLE */
function nameVolume(filesystem: Filesystem): string {
  const { device, type, label, isLabelUnique, partition } = filesystem;
  if (label !== undefined && isLabelUnique && /^[\x20-\x7e]+$/.test(label)) {
    return label;
  }
  if (partition?.isGpt === true && partition.uuid !== undefined) {
    return partition.uuid;
  }
  throw new BootError(
    "ENTRY_UNSUITABLE",
    `rEFInd has no name for the filesystem on ${device}: it has no unique label, and is not on a GPT partition`,
    {
      hint:
        type === "btrfs"
          ? "Give it one: btrfs filesystem label MOUNTPOINT NAME."
          : "Give it a label that no other filesystem has.",
    },
  );
}
