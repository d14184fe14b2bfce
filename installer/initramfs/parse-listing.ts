import type { ListedFile } from "../generators/generator.ts";

/**
 * Reads what `cpio --list --verbose` prints, as lsinitramfs -l, lsinitrd and lsinitcpio -l -v do:
 * `-rwxr-xr-x   1 root     root     109710144 Jan  1  1970 usr/bin/dockroot`.
 * @returns files and links; other lines, and directories and devices, are passed over
 */
export function parseListing(text: string): ListedFile[] {
  return text.split("\n").flatMap((line): ListedFile[] => {
    const [, type, size, name = ""] = ENTRY.exec(line) ?? [];
    if (type === undefined) return [];
    const path = name.replace(/^(\.?\/)+/, "");
    return type === "l"
      ? [{ path: path.replace(/ -> .*$/, ""), sizeBytes: undefined }]
      : [{ path, sizeBytes: Number(size) }];
  });
}

/** Type and mode, links, owner, group, size, date of three words, name. */
const ENTRY =
  /^([-l])\S{9}\s+\d+\s+\S+\s+\S+\s+(\d+)\s+\w{3}\s+\d+\s+[\d:]+ (.*)$/;
