import { quote } from "../../../runtime/base/quote.ts";
import {
  formatComments,
  refuse,
  whyMapped,
  whyNotFat,
  type BootLoader,
  type NewEntry,
} from "./boot-loader.ts";

/** The firmware itself, which boots a kernel by its EFI stub and has no file of entries. */
export const efistub: BootLoader = {
  name: "efistub",
  title: "the firmware",
  files: [],
  findMenus: () => [],
  whyUnreadable: ({ filesystem }) =>
    whyNotFat(efistub, filesystem) ??
    whyMapped(efistub, filesystem) ??
    (filesystem.partition?.disk === undefined ||
    filesystem.partition.number === undefined
      ? `${filesystem.device} is not on a partition that the firmware can boot from`
      : undefined),
  findTarget: () => undefined,
  format: formatEfistub,
};

/** The command that has the firmware start the kernel by itself. @throws BootError ENTRY_UNSUITABLE */
function formatEfistub(entry: NewEntry): string {
  const words = ["efibootmgr", "--create", ...efibootmgrFlags(entry)];
  return `${formatComments(entry)}${words.map(quote).join(" ")}\n`;
}

/**
 * What efibootmgr makes an entry of.
 * @throws BootError ENTRY_UNSUITABLE
 * @see https://www.kernel.org/doc/html/latest/admin-guide/efi-stub.html
 */
export function efibootmgrFlags(entry: NewEntry): string[] {
  const { disk = "", number = 0 } = entry.filesystem.partition ?? {};
  const initrds = entry.initrds.map((file) => {
    refuse(efistub, file, /\s/, "it contains a space");
    return `initrd=${backslashed(file)}`;
  });
  const options = {
    disk,
    part: String(number),
    label: entry.title,
    loader: backslashed(entry.kernel),
    unicode: [entry.options, ...initrds].join(" "),
  };
  return Object.entries(options).flatMap(([name, value]) => [
    `--${name}`,
    value,
  ]);
}

function backslashed(file: string): string {
  refuse(efistub, file, /\\/, "a backslash is read as a slash");
  return file.replaceAll("/", "\\");
}
