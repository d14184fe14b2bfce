import { quote } from "../../text/quote.ts";
import { initrdPaths, kernelPath, type Entry, formatCmdline } from "./entry.ts";
import { cannotWrite } from "./readable.ts";

/**
 * The command that has the firmware start the kernel by itself.
 * @throws BootError ENTRY_UNSUITABLE
 * @see https://www.kernel.org/doc/html/latest/admin-guide/efi-stub.html
 */
export function formatEfistub(entry: Entry): string {
  const { disk = "", number = 0 } = entry.kernel.filesystem.partition ?? {};
  const initrds = initrdPaths(entry).map((file) => {
    if (/\s/.test(file)) {
      throw cannotWrite("efistub", file, "it has a blank in it");
    }
    return `initrd=${backslashed(file)}`;
  });
  const call = [
    ...["efibootmgr", "--create", "--disk", disk, "--part", String(number)],
    ...["--label", entry.title, "--loader", backslashed(kernelPath(entry))],
    ...["--unicode", [formatCmdline(entry.options), ...initrds].join(" ")],
  ];
  return [
    ...entry.comments.map((comment) => `# ${comment}\n`),
    `${call.map(quote).join(" ")}\n`,
  ].join("");
}

function backslashed(file: string): string {
  if (file.includes("\\")) {
    throw cannotWrite("efistub", file, "a backslash stands for a slash");
  }
  return file.replaceAll("/", "\\");
}
