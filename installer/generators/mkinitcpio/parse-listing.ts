import type { ListedFile } from "../generator.ts";

/** A line of `bsdcpio -itv`, which writes as `ls -l` does. A device has two numbers for its size. */
const LINE =
  /^([-dlbcps])\S{9}\s+\d+\s+\S+\s+\S+\s+(\d+|\d+,\s*\d+)\s+\w{3}\s+\d+\s+[\d:]+ (.*)$/;

/** The files and links in what `lsinitcpio -l -v` prints; no directories and devices. */
export function parseListing(text: string): ListedFile[] {
  return text.split("\n").flatMap((line): ListedFile[] => {
    const [, kind, size, name = ""] = LINE.exec(line) ?? [];
    const path = name.replace(/^\.?\//, "");
    if (kind === "-") return [{ path, sizeBytes: Number(size) }];
    return kind === "l"
      ? [{ path: path.replace(/ -> .*$/, ""), sizeBytes: undefined }]
      : [];
  });
}
