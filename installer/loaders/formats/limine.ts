import path from "node:path";
import {
  cannotWrite,
  efiDirectories,
  formatComments,
  joinTitles,
  menuFile,
  refuse,
  valuesOf,
  whyMapped,
  whyNotFat,
  type BootLoader,
  type KeyValue,
  type MenuEntry,
  type NewEntry,
} from "./boot-loader.ts";

/** Limine: one configuration, beside the loader or in one of its directories. */
export const limine: BootLoader = {
  name: "limine",
  title: "Limine",
  files: ["EFI/limine", "EFI/BOOT", "boot/limine", "boot", "limine", "."].map(
    (directory) => path.join(directory, "limine.conf"),
  ),
  findMenus: (root, namesIn) =>
    [
      ...["", "/limine", "/boot", "/boot/limine"].map((name) => root + name),
      ...efiDirectories(root, namesIn),
    ].flatMap((directory) => [
      menuFile("limine", `${directory}/limine.conf`, parseLimine),
      menuFile("limine", `${directory}/limine.cfg`, parseOldLimine),
    ]),
  whyUnreadable: ({ filesystem }) =>
    whyNotFat(limine, filesystem) ?? whyMapped(limine, filesystem),
  findTarget: (file) => file,
  format: formatLimine,
};

/** How one of Limine's two syntaxes is written. */
interface Syntax {
  /** Its depth in the first group, its title in the second. */
  readonly title: RegExp;
  readonly option: RegExp;
}

// Of lines without blanks at their ends: to look for those here would take a long line's length squared.
const NEW: Syntax = {
  title: /^(\/+)\+?\s*(.*)$/,
  option: /^([\w-]+)\s*:\s*(.*)$/,
};

const OLD: Syntax = {
  title: /^(:+)\+?\s*(.*)$/,
  option: /^(\w+)\s*=\s*(.*)$/,
};

const MAX_EXPANSION_CHARS = 64 * 1024;

const MACRO = /^\$\{(\w+)\}\s*=\s*(.*)$/;

/**
 * Parses a limine.conf, as Limine has it since its version 8.
 * @see https://github.com/limine-bootloader/limine/blob/v9.x/CONFIG.md
 */
export const parseLimine = (text: string) => parse(text, NEW);

/**
 * Parses a limine.cfg, as Limine had it before its version 8.
 * @see https://github.com/limine-bootloader/limine/blob/v7.x/CONFIG.md
 */
export const parseOldLimine = (text: string) => parse(text, OLD);

function parse(text: string, syntax: Syntax): MenuEntry[] {
  const entries: MenuEntry[] = [];
  const macros = new Map<string, string>();
  let titles: string[] = [];
  let lines: KeyValue[] | undefined;
  const end = () => {
    const entry = lines && toEntry(joinTitles(...titles), lines);
    if (entry !== undefined) entries.push(entry);
  };
  for (const whole of text.split("\n").map((line) => line.trim())) {
    const [, macro, meaning = ""] = MACRO.exec(whole) ?? [];
    if (macro !== undefined) {
      macros.set(macro, meaning);
      continue;
    }
    const line = expand(whole, macros).trim();
    if (line === "" || line.startsWith("#")) continue;
    const [, depth, title = ""] = syntax.title.exec(line) ?? [];
    if (depth !== undefined) {
      end();
      titles = [...titles.slice(0, depth.length - 1), title];
      lines = [];
      continue;
    }
    const [, key, value = ""] = syntax.option.exec(line) ?? [];
    if (key !== undefined) lines?.push([key.toLowerCase(), value]);
  }
  end();
  return entries;
}

/** @returns the line with its macros' meanings, as far as a line of a menu can be long */
function expand(line: string, macros: ReadonlyMap<string, string>): string {
  let room = MAX_EXPANSION_CHARS;
  return line.replace(/\$\{(\w+)\}/g, (written, name: string) => {
    const meaning = macros.get(name) ?? written;
    if (meaning.length > room) return written;
    room -= meaning.length;
    return meaning;
  });
}

function toEntry(
  title: string,
  lines: readonly KeyValue[],
): MenuEntry | undefined {
  const last = (...keys: readonly string[]) =>
    keys.flatMap((key) => valuesOf(lines, key)).at(-1);
  const kernel = last("path", "kernel_path");
  if (last("protocol")?.toLowerCase() !== "linux" || kernel === undefined) {
    return undefined;
  }
  return {
    title,
    kernel,
    initrds: valuesOf(lines, "module_path"),
    options: last("cmdline", "kernel_cmdline") ?? "",
  };
}

/**
 * An entry of limine.conf, as of Limine 9.
 * @throws BootError ENTRY_UNSUITABLE
 * @see https://github.com/limine-bootloader/limine/blob/trunk/CONFIG.md
 */
function formatLimine(entry: NewEntry): string {
  const resource = nameResource(entry);
  const place = (file: string) =>
    // A number sign begins a file's hash.
    resource + refuse(limine, file, /[#\\]/, "it contains a # or a backslash");
  const lines: readonly KeyValue[] = [
    ["protocol", "linux"],
    ["path", place(entry.kernel)],
    ...entry.initrds.map((file) => ["module_path", place(file)] as const),
    ["cmdline", entry.options],
  ];
  const written = lines.map(([key, value]) => {
    const unsuitable = /^\s|\s$|\p{Cc}|\$\{/u;
    refuse(limine, value, unsuitable, "Limine would read another text");
    return `    ${key}: ${value}\n`;
  });
  const title = entry.title.replaceAll("/", " ");
  return `${formatComments(entry)}/${title}\n${written.join("")}`;
}

/** @throws BootError ENTRY_UNSUITABLE */
function nameResource({ isOnLoadersFilesystem, filesystem }: NewEntry): string {
  if (isOnLoadersFilesystem) return "boot():";
  const { device, partition } = filesystem;
  if (partition?.isGpt !== true || partition.uuid === undefined) {
    const why = "it is neither where limine.conf is, nor a GPT partition";
    throw cannotWrite(limine, device, why);
  }
  return `guid(${partition.uuid}):`;
}
