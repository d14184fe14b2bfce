import type { Entry } from "./entry.ts";
import { formatEfistub } from "./format-efistub.ts";
import { formatGrub } from "./parse-grub.ts";
import { formatLimine } from "./parse-limine.ts";
import { formatRefind } from "./parse-refind.ts";
import { formatSystemdBoot } from "./parse-loader-entry.ts";
import type { LoaderName } from "./boot-entry.ts";

const FORMATS: Readonly<Record<LoaderName, (entry: Entry) => string>> = {
  refind: formatRefind,
  "systemd-boot": formatSystemdBoot,
  grub: formatGrub,
  limine: formatLimine,
  efistub: formatEfistub,
};

/** The entry as its loader reads it. @throws BootError ENTRY_UNSUITABLE */
export function formatEntry(entry: Entry): string {
  return FORMATS[entry.loader](entry);
}
