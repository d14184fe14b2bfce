import { BOOT_DIRECTORIES } from "../../system/formats/kernel-files.ts";
import type { BootLoader } from "./boot-loader.ts";
import { efistub } from "./efistub.ts";
import { grub } from "./grub.ts";
import { limine } from "./limine.ts";
import type { LoaderName } from "./menu-entry.ts";
import { refind } from "./refind.ts";
import { systemdBoot } from "./systemd-boot.ts";

/** Of several that are there the first one gets the entry. */
export const BOOT_LOADERS: Readonly<Record<LoaderName, BootLoader>> = {
  refind,
  limine,
  "systemd-boot": systemdBoot,
  grub,
  efistub,
};

/** Where loaders are looked for, for people. */
export function describeSearch(): string {
  const names = Object.values(BOOT_LOADERS).flatMap(({ files }) =>
    files.slice(0, 1),
  );
  return `${names.join(", ")} and their like in ${BOOT_DIRECTORIES.join(", ")}`;
}
