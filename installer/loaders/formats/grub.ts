import { parseCmdline } from "../../../runtime/options/cmdline.ts";
import { formatCounting } from "./grub-counter.ts";
import { quote } from "../../../runtime/base/quote.ts";
import {
  efiDirectories,
  menuFile,
  refuse,
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
        `${root}/${directory}/dockroot.cfg`,
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

/** Where a GRUB's own configuration is. */
export interface GrubStub {
  /** Of the filesystem; `undefined` for the one that has the stub. */
  readonly uuid: string | undefined;
  /** From its top level. */
  readonly directory: string;
}

/**
 * Parses the grub.cfg on an EFI system partition that only says where the other one is, as
 * distributions' own GRUB has it.
 * @returns `undefined` for another configuration
 */
export function parseGrubStub(script: string): GrubStub | undefined {
  const [line = ""] = /^[ \t]*search\b.*\bfs[_-]uuid\b.*$/m.exec(script) ?? [];
  const [uuid] =
    /\b(?:[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}|[\da-f]{4}-[\da-f]{4})\b/i.exec(
      line,
    ) ?? [];
  const [, directory] =
    /^[ \t]*set[ \t]+prefix=['"]?\(\$\{?\w+\}?\)(\S*)/m.exec(script) ?? [];
  return directory === undefined
    ? undefined
    : { uuid, directory: directory.replace(/['"]/g, "") };
}

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
        `${file} does not read custom.cfg: make /etc/grub.d/41_custom executable, then run grub-mkconfig -o ${file}`,
      ];
}

interface Menu {
  readonly title: string;
  readonly isEntry: boolean;
  kernel: string | undefined;
  initrds: string[];
  options: string;
}

/** Menus in each other, of which more are no menu of anybody's. */
const MAX_DEPTH = 32;

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
      next = {
        title: titleOf(words),
        isEntry: command === "menuentry",
        kernel: undefined,
        initrds: [],
        options: "",
      };
    } else if (command === "{") {
      if (open.length === MAX_DEPTH) break;
      open.push(next);
      next = undefined;
    } else if (command === "}") {
      const closed = open.pop();
      if (closed?.isEntry === true && closed.kernel !== undefined) {
        const titles = open.flatMap((outer) => outer?.title ?? []);
        const { kernel, initrds, options } = closed;
        const title = joinTitles(...titles, closed.title);
        entries.push({ title, kernel, initrds, options });
      }
    } else if (menu?.isEntry === true && /^linux(?:16|efi)?$/.test(command)) {
      const [kernel, ...options] = words.map(({ text }) => text);
      menu.kernel = kernel;
      menu.options = options.map(quoteForKernel).join(" ");
    } else if (menu?.isEntry === true && /^initrd(?:16|efi)?$/.test(command)) {
      menu.initrds = words.map(({ text }) => text);
    }
  }
  return entries;
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

/** What begins a word besides what TOKEN has. */
const WORD_START = /#[^\n]*|([{}])(?=[\s;]|$)/y;

/** An edge of double quotes, an escaped character, a variable, a text, one in quotes, the end of a command, that of a word. */
const TOKEN =
  /\\\n|(")|\\([^]?)|\$(?:\{(\w+)\}|(\w+))|([^ \t\r\n;'"\\$]+|\$)|'([^']*)'?|([\n;])|([ \t\r]+)/y;

/** The first five of those, within double quotes. */
const QUOTED_TOKEN =
  /\\\n|(")|\\([$"\\])|\$(?:\{(\w+)\}|(\w+))|([^"\\$]+|[\\$])/y;

const MAX_VALUE_CHARS = 4096;

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
  let isQuoted = false;
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
  const next = (pattern: RegExp) => {
    pattern.lastIndex = at;
    const found = pattern.exec(script);
    if (found !== null) at = pattern.lastIndex;
    return found;
  };
  while (at < script.length) {
    const start = text === undefined ? next(WORD_START) : null;
    if (start !== null) {
      const [, brace] = start;
      if (brace === undefined) continue;
      endCommand();
      commands.push([{ text: brace, isPlain: true }]);
      continue;
    }
    const [whole, edge, escaped, braced, bare, plain, single, end, blank] =
      next(isQuoted ? QUOTED_TOKEN : TOKEN) ?? [];
    if (edge !== undefined) isQuoted = !isQuoted;
    if (end !== undefined) endCommand();
    if (blank !== undefined) endWord();
    const variable = braced ?? bare;
    const value = variable && (variables.get(variable) ?? whole);
    const more = value ?? escaped ?? plain ?? single ?? edge?.slice(1);
    if (more !== undefined) text = (text ?? "") + more;
    if ((edge ?? escaped ?? single) !== undefined) isPlain = false;
  }
  endCommand();
  return commands;
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
    refuse(grub, word, /['"\\]/, "GRUB puts a backslash before a quote");
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
    ...(entry.tries ? formatCounting(entry.tries) : []),
    ...modules.map((module) => `insmod ${module}`),
    // openSUSE's GRUB begins at the default subvolume where its menu says so.
    ...(type === "btrfs" ? ["set btrfs_relative_path=n"] : []),
    `search --no-floppy --fs-uuid --set=root ${quoteWord(uuid)}`,
    ["linux", quoteWord(entry.kernel), ...options].join(" "),
    ["initrd", ...entry.initrds.map(quoteWord)].join(" "),
  ];
  return `menuentry ${quoteWord(entry.title)} --id ${entry.id} {\n${lines.map((line) => `    ${line}\n`).join("")}}\n`;
}

/** GRUB reads quotes as a shell does. */
function quoteWord(word: string): string {
  return quote(
    refuse(grub, word, /\p{Cc}/u, "it contains a control character"),
  );
}
