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
