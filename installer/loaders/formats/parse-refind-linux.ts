import { stubInitrds, type ParsedEntry } from "./boot-entry.ts";
import { splitRefindLine } from "./refind-tokens.ts";

/**
 * Parses a refind_linux.conf: in each line a title and the options for all kernels in the file's
 * directory.
 * @see https://www.rodsbooks.com/refind/linux.html#refind_linux
 */
export function parseRefindLinux(text: string): ParsedEntry[] {
  return text.split(/\r?\n/).flatMap((line) => {
    const [title, options] = splitRefindLine(line);
    if (title === undefined || options === undefined) return [];
    return [
      { title, kernel: undefined, initrds: stubInitrds(options), options },
    ];
  });
}
