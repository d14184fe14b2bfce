import type { FoundKernel } from "../plan/entry-facts.ts";
import { LOADER_TITLES, type LoaderName } from "./boot-entry.ts";
import { BootError } from "../../../runtime/base/errors.ts";

/** FAT alone: others have drivers of filesystems, or read them by themselves. */
const FAT_ONLY: ReadonlySet<LoaderName> = new Set([
  "systemd-boot",
  "limine",
  "efistub",
]);

const REFIND_TYPES = new Set(["vfat", "btrfs", "ext2", "ext3", "ext4"]);

/** Why a boot loader cannot load a kernel from where it is; `undefined` where it can. */
export function whyUnreadable(
  loader: LoaderName,
  { filesystem, mountPoint }: FoundKernel,
): string | undefined {
  const { device, type, isMapped, partition, uuid } = filesystem;
  const name = LOADER_TITLES[loader];
  if (FAT_ONLY.has(loader) && type !== "vfat") {
    return `${device} is ${type}, and ${name} reads FAT alone`;
  }
  if (isMapped && loader !== "grub") {
    return `${name} does not see ${device}, which the kernel makes (LUKS, LVM)`;
  }
  switch (loader) {
    case "grub":
      return uuid === undefined
        ? `${device} has no UUID to find it by`
        : undefined;
    case "refind":
      return REFIND_TYPES.has(type)
        ? undefined
        : `rEFInd does not read ${type}, as on ${device}`;
    case "systemd-boot":
      return mountPoint === undefined ? `${device} is not mounted` : undefined;
    case "efistub":
      return partition?.disk === undefined || partition.number === undefined
        ? `${device} is on no partition that the firmware knows`
        : undefined;
    case "limine":
      return undefined;
  }
}

/** A name that a boot loader's configuration cannot hold. */
export function cannotWrite(
  loader: LoaderName,
  text: string,
  why: string,
): BootError {
  return new BootError(
    "ENTRY_UNSUITABLE",
    `an entry for ${LOADER_TITLES[loader]} cannot have ${text} in it: ${why}`,
    {
      hint: "Rename what it names, or choose another boot loader with --loader.",
    },
  );
}
