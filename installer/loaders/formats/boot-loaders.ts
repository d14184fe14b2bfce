import { BOOT_DIRECTORIES } from "../../system/formats/kernel-files.ts";
import type { BootLoader, LoaderName } from "./boot-loader.ts";
import { efistub } from "./efistub.ts";
import { grub } from "./grub.ts";
import { limine } from "./limine.ts";
import { refind } from "./refind.ts";
import { systemdBoot } from "./systemd-boot.ts";

export const BOOT_LOADERS: Readonly<Record<LoaderName, BootLoader>> = {
  refind,
  "systemd-boot": systemdBoot,
  grub,
  limine,
  efistub,
};

/** Those that have files: of several that are there the first one gets the entry. */
export const CHOICES = [refind, limine, systemdBoot, grub];

/** Where loaders are looked for, for people. */
export function describeSearch(): string {
  const names = CHOICES.map(({ files: [first = ""] }) => first);
  return `${names.join(", ")} and similar files in ${BOOT_DIRECTORIES.join(", ")}`;
}
