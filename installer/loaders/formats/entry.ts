import type { CmdlineOption } from "../../../runtime/options/cmdline.ts";
import type { FoundKernel } from "../plan/entry-facts.ts";
import type { LoaderName } from "./boot-entry.ts";

/** A boot menu entry, before a loader's way to write it. */
export interface Entry {
  readonly loader: LoaderName;
  readonly title: string;
  readonly kernel: FoundKernel;
  /** Whether kernel and initramfs are on the filesystem that has the loader's configuration. */
  readonly isOnLoadersFilesystem: boolean;
  readonly options: readonly CmdlineOption[];
  /** Lines for whoever reads the entry. */
  readonly comments: readonly string[];
}

/** Paths from the filesystem's top level, a slash before them; microcode comes first. */
export function initrdPaths({ kernel }: Entry): string[] {
  const { directory, microcode, initramfs } = kernel;
  return [...microcode, initramfs].map((name) => absolute(directory, name));
}

export function kernelPath({ kernel }: Entry): string {
  return absolute(kernel.directory, kernel.kernel);
}

function absolute(directory: string, name: string): string {
  return directory === "" ? `/${name}` : `/${directory}/${name}`;
}

/** An option as one word without quotes: `key`, or `key=value`. */
export function formatOption({ key, value }: CmdlineOption): string {
  return value === undefined ? key : `${key}=${value}`;
}

/**
 * The command line as the kernel reads it, for loaders that pass it on as it is: a value with white
 * space stands in quotes.
 * @see https://www.kernel.org/doc/html/latest/admin-guide/kernel-parameters.html
 */
export function formatCmdline(options: readonly CmdlineOption[]): string {
  return options
    .map((option) => {
      const { key, value } = option;
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
