import {
  parseCmdline,
  type CmdlineOption,
} from "../../../runtime/options/cmdline.ts";
import type { Filesystem } from "../../system/filesystem.ts";

/** The boot loaders that an entry can be made for; `efistub` is the firmware itself. */
export const LOADERS = [
  "refind",
  "systemd-boot",
  "grub",
  "limine",
  "efistub",
] as const;

export type LoaderName = (typeof LOADERS)[number];

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
}

/** An entry that is in a menu. */
export interface FoundEntry extends MenuEntry {
  readonly loader: LoaderName;
  /** Where it stands. */
  readonly file: string;
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

/** One more value of a key that may be repeated. */
export function addValue(
  values: Map<string, string[]>,
  key: string,
  value: string,
): void {
  const known = values.get(key);
  if (known === undefined) values.set(key, [value]);
  else known.push(value);
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
  return options
    .map((option) => {
      const { key, value } = option;
      if (/\s/.test(key)) return `"${formatOption(option)}"`;
      return value !== undefined && /\s/.test(value)
        ? `${key}="${value}"`
        : formatOption(option);
    })
    .join(" ");
}

/** Whether a kernel command line can hold it: it has no way to write a quote. */
export function canBeOption(text: string): boolean {
  // What is not valid UTF-8 is not known here.
  return !/["\p{Cc}\ufffd]/u.test(text);
}
