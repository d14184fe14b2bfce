import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { BOOT_DIRECTORIES } from "../system/kernels.ts";
import type { FoundLoader } from "./plan/entry-facts.ts";
import type { LoaderName } from "./formats/boot-entry.ts";
import { checkGrubConfig, checkRefindConfig } from "./formats/menu-files.ts";

type ConfiguredLoader = Exclude<LoaderName, "efistub">;

/** By which files a loader is found, the first one first, relative to such a mount. */
const FILES: Readonly<Record<ConfiguredLoader, readonly string[]>> = {
  refind: ["EFI/refind/refind.conf", "EFI/BOOT/refind.conf"],
  limine: [
    ...["EFI/limine/limine.conf", "EFI/BOOT/limine.conf"],
    ...["boot/limine/limine.conf", "boot/limine.conf"],
    ...["limine/limine.conf", "limine.conf"],
  ],
  "systemd-boot": [
    "loader/loader.conf",
    ...["systemd-bootx64.efi", "systemd-bootaa64.efi"].map(
      (name) => `EFI/systemd/${name}`,
    ),
  ],
  grub: ["grub/grub.cfg", "grub2/grub.cfg"],
};

const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/** Where loaders are looked for, for people. */
export function describeSearch(): string {
  const names = Object.values(FILES).flatMap(([first = ""]) => first);
  return `${names.join(", ")} and their like in ${BOOT_DIRECTORIES.join(", ")}`;
}

/**
 * The boot loaders that are there.
 * @param uuidOf of the filesystem that a directory is on
 */
export function findLoaders(
  host: Host,
  uuidOf: (directory: string) => string | undefined,
): FoundLoader[] {
  return (Object.keys(FILES) as ConfiguredLoader[]).flatMap((name) => {
    const file = BOOT_DIRECTORIES.flatMap((directory) =>
      FILES[name].map((below) => path.join(directory, below)),
    ).find((file) => host.files.statusOfTarget(host.path(file)) !== undefined);
    return file === undefined
      ? []
      : [
          {
            ...{ name, file, filesystemUuid: uuidOf(path.dirname(file)) },
            warnings: findWarnings(host, name, file),
            drivers: name === "refind" ? findDrivers(host, file) : [],
          },
        ];
  });
}

function findWarnings(host: Host, name: LoaderName, file: string): string[] {
  if (name !== "refind" && name !== "grub") return [];
  try {
    const text = host.readText(file, MAX_CONFIG_BYTES) ?? "";
    return name === "refind"
      ? checkRefindConfig(file, text)
      : checkGrubConfig(file, text);
  } catch (error) {
    // The entry may be for another loader.
    if (!(error instanceof BootError)) throw error;
    return [error.message];
  }
}

/** rEFInd's drivers of filesystems: `drivers_x64/btrfs_x64.efi`. */
function findDrivers(host: Host, config: string): string[] {
  const directory = path.dirname(config);
  return host.files
    .namesIn(host.path(directory))
    .filter((name) => /^drivers(?:_|$)/.test(name))
    .flatMap((name) => host.files.namesIn(host.path(`${directory}/${name}`)))
    .flatMap((name) => /^(\w+?)(?:_[a-z0-9]+)?\.efi$/i.exec(name)?.[1] ?? [])
    .map((name) => name.toLowerCase());
}
