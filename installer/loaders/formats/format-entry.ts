import type { Entry } from "./entry.ts";
import { formatEfistub } from "./format-efistub.ts";
import { formatGrub } from "./format-grub.ts";
import { formatLimine } from "./format-limine.ts";
import { formatRefind } from "./format-refind.ts";
import { formatSystemdBoot } from "./format-systemd-boot.ts";
import type { LoaderName } from "./loader-name.ts";

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
