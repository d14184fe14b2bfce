import { parseCmdline } from "../../../runtime/options/cmdline.ts";
import { quote } from "../../../runtime/base/quote.ts";
import {
  cannotWrite,
  efiDirectories,
  menuFile,
  type BootLoader,
  type ListNames,
  type MenuFile,
  formatOption,
  joinTitles,
  type MenuEntry,
  type NewEntry,
} from "./boot-loader.ts";

/** GRUB: a new entry goes into custom.cfg, for each grub-mkconfig makes grub.cfg anew. */
export const grub: BootLoader = {
  name: "grub",
  title: "GRUB",
  files: ["grub/grub.cfg", "grub2/grub.cfg"],
  findMenus: (root, namesIn) =>
    [
      ...["grub", "grub2"].flatMap((directory) => [
        `${root}/${directory}/grub.cfg`,
        `${root}/${directory}/custom.cfg`,
      ]),
      ...efiDirectories(root, namesIn).map(
        (directory) => `${directory}/grub.cfg`,
      ),
    ].map((file) => menuFile("grub", file, parseGrub)),
  checkConfig: checkGrubConfig,
  whyUnreadable: ({ filesystem: { uuid, device } }) =>
    uuid === undefined ? `${device} has no UUID to find it by` : undefined,
  findTarget: (file) => file?.replace(/grub\.cfg$/, "custom.cfg"),
  format: formatGrub,
};

/** What is in here comes into grub.cfg when that is made anew. */
export const GRUB_SCRIPTS = "/etc/grub.d";

/** Scripts for GRUB's menu that people write. */
export function grubScripts(namesIn: ListNames): MenuFile[] {
  return namesIn(GRUB_SCRIPTS)
    .filter((name) => /^4[01]_custom/.test(name))
    .map((name) => menuFile("grub", `${GRUB_SCRIPTS}/${name}`, parseGrub));
}

/** What keeps GRUB from reading custom.cfg, which grub-mkconfig includes by /etc/grub.d/41_custom. */
export function checkGrubConfig(file: string, text: string): string[] {
  return text.includes("custom.cfg")
    ? []
    : [
        `${file} does not read custom.cfg: make it anew with grub-mkconfig -o ${file}, with /etc/grub.d/41_custom there and executable`,
      ];
}

interface Menu {
  readonly title: string;
  readonly isEntry: boolean;
  kernel: string | undefined;
  initrds: string[];
  options: string;
}

const LINUX = new Set(["linux", "linux16", "linuxefi"]);

/** Menus in each other, of which more are no menu of anybody's. */
const MAX_DEPTH = 32;

const INITRD = new Set(["initrd", "initrd16", "initrdefi"]);

/**
 * Parses a grub.cfg, a custom.cfg, or a script of /etc/grub.d that prints itself, as 40_custom does.
 * @see https://www.gnu.org/software/grub/manual/grub/grub.html#menuentry
 */
export function parseGrub(script: string): MenuEntry[] {
  const entries: MenuEntry[] = [];
  const open: (Menu | undefined)[] = [];
  let next: Menu | undefined;
  for (const [first, ...words] of splitGrubScript(script)) {
    if (first === undefined) continue;
    const command = first.isPlain ? first.text : "";
    const menu = open.findLast((outer) => outer !== undefined);
    if (command === "menuentry" || command === "submenu") {
      next = openMenu(titleOf(words), command === "menuentry");
    } else if (command === "{") {
      if (open.length === MAX_DEPTH) break;
      open.push(next);
      next = undefined;
    } else if (command === "}") {
      const closed = open.pop();
      if (closed?.isEntry === true && closed.kernel !== undefined) {
        const titles = open.flatMap((outer) => outer?.title ?? []);
        const { title, kernel, initrds, options } = closed;
        entries.push({
          ...{ title: joinTitles(...titles, title), kernel },
          initrds,
          options,
        });
      }
    } else if (menu?.isEntry === true && LINUX.has(command)) {
      const [kernel, ...options] = words.map(({ text }) => text);
      menu.kernel = kernel;
      menu.options = options.map(quoteForKernel).join(" ");
    } else if (menu?.isEntry === true && INITRD.has(command)) {
      menu.initrds = words.map(({ text }) => text);
    }
  }
  return entries;
}

function openMenu(title: string, isEntry: boolean): Menu {
  return { title, isEntry, kernel: undefined, initrds: [], options: "" };
}

/** The first word that is neither an option nor an option's value. */
function titleOf(words: readonly GrubWord[]): string {
  const index = words.findIndex(
    ({ text }, at) =>
      !text.startsWith("--") && words[at - 1]?.text.startsWith("--") !== true,
  );
  return words[index]?.text ?? "";
}

/** As GRUB writes an argument on the kernel command line (its grub_create_loader_cmdline). */
function quoteForKernel(argument: string): string {
  const escaped = argument.replace(/\\(?!x[0-9a-f]{2})|['"]/gi, "\\$&");
  return / /.test(argument) ? `"${escaped}"` : escaped;
}

/** A word of a GRUB script; `isPlain` where no character of it was quoted. */
interface GrubWord {
  readonly text: string;
  readonly isPlain: boolean;
}

/**
 * Splits a GRUB script into its commands, and the words of each. `{` and `}` are commands of their
 * own. Of variables only those count that the script itself sets before; others stay as they are
 * written.
 * @see https://www.gnu.org/software/grub/manual/grub/grub.html#Shell_002dlike-scripting
 */
function splitGrubScript(script: string): GrubWord[][] {
  const commands: GrubWord[][] = [];
  const variables = new Map<string, string>();
  let words: GrubWord[] = [];
  let text: string | undefined;
  let isPlain = true;
  const endWord = () => {
    if (text !== undefined) words.push({ text, isPlain });
    [text, isPlain] = [undefined, true];
  };
  const endCommand = () => {
    endWord();
    if (words.length > 0) commands.push(words);
    remember(words, variables);
    words = [];
  };
  let at = 0;
  const add = (more: string, length: number) => {
    text = (text ?? "") + more;
    at += length;
  };
  while (at < script.length) {
    const rest = script.slice(at, at + MAX_TOKEN_CHARS);
    const character = rest.charAt(0);
    if (character === "#" && text === undefined) {
      at += lineLength(script, at);
    } else if (rest.startsWith("\\\n")) {
      at += 2;
    } else if (character === "\n" || character === ";") {
      endCommand();
      at += 1;
    } else if (/[ \t\r]/.test(character)) {
      endWord();
      at += 1;
    } else if (text === undefined && /^[{}](?:[\s;]|$)/.test(rest)) {
      endCommand();
      commands.push([{ text: character, isPlain: true }]);
      at += 1;
    } else if (character === "'") {
      const end = script.indexOf("'", at + 1);
      const stop = end === -1 ? script.length : end;
      isPlain = false;
      add(script.slice(at + 1, stop), stop + 1 - at);
    } else if (character === '"') {
      isPlain = false;
      add(...readQuoted(script, at, variables));
    } else if (character === "\\") {
      isPlain = false;
      add(rest.charAt(1), 2);
    } else if (character === "$") {
      add(...readVariable(rest, variables));
    } else {
      add(character, 1);
    }
  }
  endCommand();
  return commands;
}

const MAX_TOKEN_CHARS = 256;

const MAX_VALUE_CHARS = 4096;

type Read = [text: string, length: number];

function readQuoted(
  script: string,
  start: number,
  variables: ReadonlyMap<string, string>,
): Read {
  let text = "";
  let at = start + 1;
  while (at < script.length && script.charAt(at) !== '"') {
    const rest = script.slice(at, at + MAX_TOKEN_CHARS);
    if (/^\\[$"\\]/.test(rest)) {
      text += rest.charAt(1);
      at += 2;
    } else if (rest.startsWith("\\\n")) {
      at += 2;
    } else if (rest.startsWith("$")) {
      const [value, length] = readVariable(rest, variables);
      text += value;
      at += length;
    } else {
      text += rest.charAt(0);
      at += 1;
    }
  }
  return [text, at + 1 - start];
}

function readVariable(
  rest: string,
  variables: ReadonlyMap<string, string>,
): Read {
  const [whole = "$", braced, bare] = /^\$(?:\{(\w+)\}|(\w+))/.exec(rest) ?? [];
  return [variables.get(braced ?? bare ?? "") ?? whole, whole.length];
}

function remember(
  [command, assignment]: readonly GrubWord[],
  variables: Map<string, string>,
): void {
  if (command?.text !== "set" || assignment === undefined) return;
  const [, name, value] = /^(\w+)=(.*)$/s.exec(assignment.text) ?? [];
  if (name === undefined || value === undefined) return;
  // One that is set to itself twice, again and again, would grow without end.
  if (value.length > MAX_VALUE_CHARS) variables.delete(name);
  else variables.set(name, value);
}

function lineLength(script: string, at: number): number {
  const end = script.indexOf("\n", at);
  return (end === -1 ? script.length : end) - at;
}

/**
 * A menu entry. Paths are from the top level of a btrfs, whatever its default subvolume is.
 * @throws BootError ENTRY_UNSUITABLE
 * @see https://www.gnu.org/software/grub/manual/grub/grub.html (menuentry, Quoting)
 */
function formatGrub(entry: NewEntry): string {
  const { partition, type, uuid = "" } = entry.filesystem;
  // GRUB puts quotes around a word with a blank by itself, and a backslash before what would need one.
  const options = parseCmdline(entry.options).map((option) => {
    const word = formatOption(option);
    if (/['"\\]/.test(word)) {
      throw cannotWrite(grub, word, "GRUB puts a backslash before it");
    }
    return quoteWord(word);
  });
  const modules = [
    ...(partition === undefined
      ? []
      : [partition.isGpt ? "part_gpt" : "part_msdos"]),
    type === "vfat" ? "fat" : type.startsWith("ext") ? "ext2" : type,
  ];
  const lines = [
    ...entry.comments.map((comment) => `# ${comment}`),
    ...modules.map((module) => `insmod ${module}`),
    `search --no-floppy --fs-uuid --set=root ${quoteWord(uuid)}`,
    ["linux", quoteWord(entry.kernel), ...options].join(" "),
    ["initrd", ...entry.initrds.map(quoteWord)].join(" "),
  ];
  return `menuentry ${quoteWord(entry.title)} --id dockroot {\n${lines.map((line) => `    ${line}\n`).join("")}}\n`;
}

/** GRUB reads quotes as a shell does. */
function quoteWord(word: string): string {
  if (/\p{Cc}/u.test(word)) {
    throw cannotWrite(grub, word, "it has a control character in it");
  }
  return quote(word);
}
