import type { ListedFile } from "./generator.ts";

/**
 * Reads what `cpio --list --verbose` prints, as lsinitramfs -l and lsinitrd do:
 * `-rwxr-xr-x   1 root     root     109710144 Jan  1  1970 usr/bin/dockroot`. Other lines are passed
 * over.
 */
export function parseListing(text: string): ListedFile[] {
  return text.split("\n").flatMap((line) => {
    const [, type, size = "", name = ""] = ENTRY.exec(line) ?? [];
    if (type === undefined) return [];
    const [file = ""] = type === "l" ? name.split(" -> ") : [name];
    const isFile = type === "-";
    return {
      path: file.replace(/^(\.?\/)+/, ""),
      sizeBytes: isFile ? Number(size) : undefined,
    };
  });
}

/** Type and mode, links, owner, group, size or device numbers, date of three words, name. */
const ENTRY =
  /^([-bcdlps])[-rwxsStT]{9}\s+\d+\s+\S+\s+\S+\s+(\d+)(?:,\s*\d+)?\s+\S+\s+\S+\s+\S+\s(.+)$/;
