import type { CmdlineOption } from "../../../runtime/options/cmdline.ts";

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
