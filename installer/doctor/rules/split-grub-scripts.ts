import type { FoundEntry } from "../../loaders/formats/boot-loader.ts";
import { GRUB_SCRIPTS } from "../../loaders/formats/grub.ts";

/**
 * Entries of /etc/grub.d come into grub.cfg when that is made anew: those that it has count once.
 * @returns the entries that boot loaders read, and those that none reads yet
 */
export function splitGrubScripts(all: readonly FoundEntry[]): {
  entries: readonly FoundEntry[];
  notInGrub: readonly FoundEntry[];
} {
  const isScript = ({ file }: FoundEntry) =>
    file.startsWith(`${GRUB_SCRIPTS}/`);
  const entries = all.filter((entry) => !isScript(entry));
  const known = new Set(
    entries.filter(({ loader }) => loader === "grub").map(keyOf),
  );
  return {
    entries,
    notInGrub: all.filter(isScript).filter((entry) => !known.has(keyOf(entry))),
  };
}

function keyOf({ title, options }: FoundEntry): string {
  return JSON.stringify([title, options]);
}
