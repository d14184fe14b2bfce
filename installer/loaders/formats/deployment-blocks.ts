import { quoteForRefind, quoteForShell } from "../../../runtime/base/quote.ts";
import { findBlock, putBlock } from "./blocks.ts";
import type {
  BootLoader,
  LoaderName,
  MenuEntry,
  NewEntry,
} from "./boot-loader.ts";
import {
  encodeRwlayer,
  findDeployment,
  nameDeployment,
  toDeployment,
  type DeploymentMenu,
} from "./deployment-names.ts";
import { formatOtherDefault, SET_ENV_FILE } from "./grub-counter.ts";
import { grub, parseGrub } from "./grub.ts";
import { limine, parseLimine } from "./limine.ts";
import { findDefaultSelection, parseRefind, refind } from "./refind.ts";

/**
 * How a boot loader has deployments whose menu is text: in a file of ours, or in its own
 * configuration, a block with the choice of the entry that starts by itself, then a block for each
 * rwlayer, of which the one that was written last comes first, with that entry at its beginning.
 */
export interface BlockMenu {
  readonly loader: BootLoader;
  /** Our file, beside the loader's configuration; without it that has the blocks. */
  readonly own?: string;
  /** The file beside the loader's configuration that reads ours, and how. */
  readonly include?: {
    readonly file: (config: string) => string;
    readonly text: string;
  };
  parse(text: string): readonly MenuEntry[];
  /** @param fallback what starts where that has no try left, as far as the boot loader counts */
  formatNext(entry: NewEntry, fallback: NewEntry | undefined): string;
  /**
   * Which of the entries starts by itself.
   * @param text of the file with the blocks, in the place of what reads it
   * @param entries of that text
   */
  findNext(text: string, entries: readonly MenuEntry[]): MenuEntry | undefined;
}

const GRUB_FILE = "dockroot.cfg";

const REFIND_FILE = "dockroot.conf";

/** As GRUB's 41_custom reads custom.cfg. */
const GRUB_INCLUDE = `if [ -f "\${config_directory}/${GRUB_FILE}" ]; then
    source "\${config_directory}/${GRUB_FILE}"
fi
`;

// What somebody has chosen for one boot (grub-reboot) goes before.
const formatGrubNext = ({ id, tries }: NewEntry, fallback?: NewEntry) =>
  `${SET_ENV_FILE}if [ "\${boot_once}" != "true" ]; then
    set dockroot_former="\${default}"
    set default=${quoteForShell(id)}
${formatOtherDefault(tries !== null, fallback?.id)}fi
`;

export const BLOCK_MENUS: Readonly<Partial<Record<LoaderName, BlockMenu>>> = {
  grub: {
    loader: grub,
    own: GRUB_FILE,
    include: {
      file: (config) => config.replace(/[^/]+$/, "custom.cfg"),
      text: GRUB_INCLUDE,
    },
    parse: parseGrub,
    formatNext: formatGrubNext,
    findNext: (text, entries) => {
      const id = [...text.matchAll(/^\s*set default=["']?([^"'\s]*)/gm)].at(
        -1,
      )?.[1];
      return entries.find(({ options }) => idOf(options) === id);
    },
  },
  refind: {
    loader: refind,
    own: REFIND_FILE,
    include: { file: (config) => config, text: `include ${REFIND_FILE}\n` },
    parse: (text) => parseRefind(text).entries,
    formatNext: ({ title }) => `default_selection ${quoteForRefind(title)}\n`,
    // rEFInd takes the first entry whose title contains it.
    findNext: (text, entries) => {
      const selection = findDefaultSelection(text);
      return selection === undefined
        ? undefined
        : entries.find(({ title }) => title.includes(selection));
    },
  },
  limine: {
    loader: limine,
    parse: parseLimine,
    // Later versions take a title, too; all count the entries.
    formatNext: () => "default_entry: 1\n",
    findNext: (text, [first]) => {
      const [, index] = /^\s*default_entry\s*:\s*(.*?)\s*$/im.exec(text) ?? [];
      const [, title] = /^\s*\/+\+?\s*(.*?)\s*$/m.exec(text) ?? [];
      return index === "1" && title === first?.title ? first : undefined;
    },
  },
};

const NEXT_BLOCK = "next";

/** Of the lines that read our file. */
export const INCLUDE_BLOCK = "deployments";

export function blockOf(rwlayer: string): string {
  return `deployments-${encodeRwlayer(rwlayer)}`;
}

function idOf(options: string): string | undefined {
  const found = findDeployment(options);
  return found && nameDeployment(found.rwlayer, found.n);
}

/**
 * The file with these entries in the place of all others of the rwlayer; what else is in it stays.
 * @param next one of the entries
 * @returns `undefined` where the marks of its blocks do not pair
 * @throws BootError ENTRY_UNSUITABLE
 */
export function putDeployments(
  { loader, formatNext }: BlockMenu,
  text: string,
  rwlayer: string,
  entries: readonly NewEntry[],
  next: NewEntry,
  fallback: NewEntry | undefined,
): string | undefined {
  const sorted = [next, ...entries.filter((entry) => entry !== next)];
  const block = sorted.map((entry) => loader.format(entry)).join("");
  const withEntries = putBlock(text, blockOf(rwlayer), block, true);
  return (
    withEntries &&
    putBlock(withEntries, NEXT_BLOCK, formatNext(next, fallback), true)
  );
}

/**
 * Reads what `putDeployments` makes.
 * @param text of the file with our blocks
 * @param whole the same in the place of what reads it
 */
export function parseDeployments(
  { parse, findNext }: BlockMenu,
  text: string,
  whole: string,
  rwlayer: string,
): DeploymentMenu {
  const entries = parse(findBlock(text, blockOf(rwlayer)) ?? "").flatMap(
    (entry) => {
      const found = findDeployment(entry.options);
      return found?.rwlayer === rwlayer ? toDeployment(found.n, entry) : [];
    },
  );
  const next = findNext(whole, parse(whole));
  const found = next && findDeployment(next.options);
  const isOwn =
    found?.rwlayer === rwlayer && entries.some(({ n }) => n === found.n);
  return { entries, next: isOwn ? found.n : undefined };
}
