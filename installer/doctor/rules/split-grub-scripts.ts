import type { BootEntry } from "../../loaders/formats/boot-entry.ts";
import { GRUB_SCRIPTS } from "../../loaders/formats/menu-files.ts";

/**
 * Entries of /etc/grub.d come into grub.cfg when that is made anew: those that it has count once.
 * @returns the entries that boot loaders read, and those that none reads yet
 */
export function splitGrubScripts(all: readonly BootEntry[]): {
  entries: readonly BootEntry[];
  notInGrub: readonly BootEntry[];
} {
  const isScript = ({ file }: BootEntry) => file.startsWith(`${GRUB_SCRIPTS}/`);
  const entries = all.filter((entry) => !isScript(entry));
  const known = new Set(
    entries.filter(({ loader }) => loader === "GRUB").map(keyOf),
  );
  return {
    entries,
    notInGrub: all.filter(isScript).filter((entry) => !known.has(keyOf(entry))),
  };
}

function keyOf({ title, options }: BootEntry): string {
  return JSON.stringify([title, options]);
}
