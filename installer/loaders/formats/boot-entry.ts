import { parseCmdline } from "../../../runtime/options/cmdline.ts";

/** The entry of a boot menu that starts a Linux kernel. */
export interface BootEntry {
  readonly loader: Loader;
  /** Where it stands. */
  readonly file: string;
  /** With those of the menus that it is in: `Advanced options > Debian`. */
  readonly title: string;
  /** As the boot loader names it; `undefined` where it looks for one itself. */
  readonly kernel: string | undefined;
  /** As the boot loader names them, in order. */
  readonly initrds: readonly string[];
  /** The kernel command line. */
  readonly options: string;
}

export type Loader = "rEFInd" | "systemd-boot" | "GRUB" | "Limine";

/** What a parser of one file finds: the file is known to who calls it. */
export type ParsedEntry = Omit<BootEntry, "file" | "loader">;

/**
 * The images that the kernel's EFI stub loads by itself.
 * @see https://docs.kernel.org/admin-guide/efi-stub.html (the initrd= option)
 */
export function stubInitrds(options: string): string[] {
  return parseCmdline(options).flatMap(({ key, value }) =>
    key === "initrd" && value !== undefined && value !== "" ? [value] : [],
  );
}

/** A menu's title before that of what is in it. */
export function joinTitles(...titles: readonly string[]): string {
  return titles.filter((title) => title !== "").join(" > ");
}

/** One more value of a key that may be repeated. */
export function addValue(
  values: Map<string, string[]>,
  key: string,
  value: string,
): void {
  const known = values.get(key);
  if (known === undefined) values.set(key, [value]);
  else known.push(value);
}

/**
 * A file as a boot loader names it, without what says on which volume it is: GRUB's `(hd0,gpt2)/x`,
 * Limine's `boot():/x` and `boot:///x` with or without a hash, and EFI's `\x`.
 * @returns a path from the volume's top level, with a slash before it
 */
export function pathOnVolume(named: string): string {
  const path = named
    .replace(/^\$(?=\w+\()/, "")
    .replace(/^\([^)]*\)/, "")
    .replace(/^\w+\([^)]*\):/, "")
    .replace(/^(?:boot|hdd|odd|guid|uuid|fslabel):\/\/[^/]*/, "")
    .replace(/#[0-9a-f]{128}$/i, "")
    .replaceAll("\\", "/");
  return `/${path.replace(/^\/+/, "")}`;
}

/** The boot loaders that an entry can be made for; `efistub` is the firmware itself. */
export const LOADERS = [
  "refind",
  "systemd-boot",
  "grub",
  "limine",
  "efistub",
] as const;

export type LoaderName = (typeof LOADERS)[number];

/** How people call it. */
export const LOADER_TITLES: Readonly<Record<LoaderName, string>> = {
  refind: "rEFInd",
  "systemd-boot": "systemd-boot",
  grub: "GRUB",
  limine: "Limine",
  efistub: "the firmware",
};
