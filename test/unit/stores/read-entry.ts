import { execFileSync } from "node:child_process";
import {
  stubInitrds,
  type MenuEntry,
  type LoaderName,
} from "../../../installer/loaders/formats/boot-loader.ts";
import { parseGrub } from "../../../installer/loaders/formats/grub.ts";
import { parseLimine } from "../../../installer/loaders/formats/limine.ts";
import { parseLoaderEntry } from "../../../installer/loaders/formats/systemd-boot.ts";
import { parseRefind } from "../../../installer/loaders/formats/refind.ts";
import {
  parseCmdline,
  type CmdlineOption,
} from "../../../runtime/options/cmdline.ts";

/** What a boot loader makes of an entry: as the doctor reads those that it finds. */
export interface ReadEntry extends Omit<MenuEntry, "options" | "kernel"> {
  readonly kernel: string;
  /** Without what loads an initramfs. */
  readonly options: readonly CmdlineOption[];
}

const PARSERS: Readonly<
  Record<LoaderName, (text: string) => MenuEntry | undefined>
> = {
  refind: (text) => parseRefind(text).entries[0],
  "systemd-boot": (text) => parseLoaderEntry("dockroot.conf", text),
  grub: (text) => parseGrub(text)[0],
  limine: (text) => parseLimine(text)[0],
  efistub: parseEfibootmgr,
};

/** @throws Error where there is none */
export function readEntry(loader: LoaderName, text: string): ReadEntry {
  const entry = PARSERS[loader](text);
  if (entry?.kernel === undefined) throw new Error(`no entry: ${text}`);
  // The firmware, and rEFInd by it, has backslashes in the place of slashes.
  const isEfi = loader === "refind" || loader === "efistub";
  const slashed = (file: string) => (isEfi ? file.replaceAll("\\", "/") : file);
  return {
    title: entry.title,
    kernel: slashed(entry.kernel),
    initrds: entry.initrds.map(slashed),
    options: parseCmdline(entry.options).filter(({ key }) => key !== "initrd"),
  };
}

/** The call of efibootmgr, as a real shell splits it. */
function parseEfibootmgr(text: string): MenuEntry {
  const words = execFileSync(
    "sh",
    ["-c", `efibootmgr() { printf '%s\\0' "$@"; }\n${text}`],
    { encoding: "utf8", env: { PATH: "/usr/bin:/bin" } },
  ).split("\0");
  const after = (flag: string) => words[words.indexOf(flag) + 1] ?? "";
  const options = after("--unicode");
  return {
    ...{ title: after("--label"), kernel: after("--loader"), options },
    initrds: stubInitrds(options),
  };
}

/** Of each option the last. */
export function optionsOf({ options }: ReadEntry): Record<string, unknown> {
  return Object.fromEntries(options.map(({ key, value }) => [key, value]));
}
