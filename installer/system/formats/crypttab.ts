import { parseCmdline } from "../../../runtime/options/cmdline.ts";

/** An encrypted device, and the name below /dev/mapper that it has once it is opened. */
export interface CrypttabEntry {
  /** From 1. */
  readonly line: number;
  readonly name: string;
  /** A path; `undefined` where a passphrase is asked for. */
  readonly keyFile: string | undefined;
  /** It is opened at boot. */
  readonly isOpened: boolean;
}

/** @see https://www.freedesktop.org/software/systemd/man/latest/crypttab.html */
export function parseCrypttab(text: string): CrypttabEntry[] {
  return text.split("\n").flatMap((whole, index) => {
    const fields = whole.trim().split(/\s+/);
    const [name = "", device, keyFile = "none", options = ""] = fields;
    if (name === "" || name.startsWith("#") || device === undefined) return [];
    return [
      {
        line: index + 1,
        name,
        // What comes after a colon is on another device.
        keyFile: /^\/(?!dev\/)[^:]*$/.test(keyFile) ? keyFile : undefined,
        isOpened: !options.split(",").includes("noauto"),
      },
    ];
  });
}

/**
 * The names that an initramfs gives to what it opens: by dracut and systemd, by mkinitcpio's encrypt, by
 * initramfs-tools.
 */
export function findOpenedNames(cmdline: string): string[] {
  return parseCmdline(cmdline).flatMap(({ key, value = "" }) => {
    if (/^(?:rd\.)?luks\.name$/.test(key)) return value.split("=").slice(1);
    if (/^(?:rd\.)?luks\.uuid$/.test(key)) {
      return [`luks-${value.replace(/^luks-/, "")}`];
    }
    if (key === "cryptdevice") {
      return value.split(":").slice(1, 2);
    }
    if (key !== "cryptopts") return [];
    return value
      .split(",")
      .filter((option) => option.startsWith("target="))
      .map((option) => option.slice("target=".length));
  });
}

/**
 * The name of a device that somebody opens, where its path tells.
 * @returns `undefined` for other devices, and for what may be of LVM or multipath, which nobody has to open
 */
export function nameInMapper(source: string): string | undefined {
  const [, name] = /^\/dev\/mapper\/([^/]+)$/.exec(source) ?? [];
  const isVolume =
    name !== undefined &&
    !name.startsWith("luks-") &&
    /[^-]-[^-]|^mpath/.test(name);
  return isVolume ? undefined : name;
}
