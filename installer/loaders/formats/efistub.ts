import { quote } from "../../../runtime/base/quote.ts";
import {
  cannotWrite,
  formatComments,
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
      ? `${filesystem.device} is on no partition that the firmware knows`
      : undefined),
  findTarget: () => undefined,
  format: formatEfistub,
};

/**
 * The command that has the firmware start the kernel by itself.
 * @throws BootError ENTRY_UNSUITABLE
 * @see https://www.kernel.org/doc/html/latest/admin-guide/efi-stub.html
 */
function formatEfistub(entry: NewEntry): string {
  const { disk = "", number = 0 } = entry.filesystem.partition ?? {};
  const initrds = entry.initrds.map((file) => {
    if (/\s/.test(file)) {
      throw cannotWrite(efistub, file, "it has a blank in it");
    }
    return `initrd=${backslashed(file)}`;
  });
  const call = [
    "efibootmgr",
    "--create",
    "--disk",
    disk,
    "--part",
    String(number),
    "--label",
    entry.title,
    "--loader",
    backslashed(entry.kernel),
    ...["--unicode", [entry.options, ...initrds].join(" ")],
  ];
  return `${formatComments(entry)}${call.map(quote).join(" ")}\n`;
}

function backslashed(file: string): string {
  if (file.includes("\\")) {
    throw cannotWrite(efistub, file, "a backslash stands for a slash");
  }
  return file.replaceAll("/", "\\");
}
