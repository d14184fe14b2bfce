import { joinTitles, type ParsedEntry } from "./boot-entry.ts";
import { splitGrubScript, type GrubWord } from "./grub-words.ts";

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
export function parseGrub(script: string): ParsedEntry[] {
  const entries: ParsedEntry[] = [];
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
          ...{ initrds, options },
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
