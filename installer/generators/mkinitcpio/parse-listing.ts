import type { ListedFile } from "../generator.ts";

/** A line of `bsdcpio -itv` about a file or a link: as `ls -l` writes it. */
const LINE =
  /^([-l])\S{9}\s+\d+\s+\S+\s+\S+\s+(\d+)\s+\w{3}\s+\d+\s+[\d:]+ (.*)$/;

/** The files and links in what `lsinitcpio -l -v` prints; no directories and devices. */
export function parseListing(text: string): ListedFile[] {
  return text.split("\n").flatMap((line): ListedFile[] => {
    const [, kind, size, name] = LINE.exec(line) ?? [];
    if (name === undefined) return [];
    return kind === "l"
      ? [{ path: name.replace(/ -> .*$/, ""), sizeBytes: undefined }]
      : [{ path: name, sizeBytes: Number(size) }];
  });
}
