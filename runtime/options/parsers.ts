import { isSameOrBelow } from "../base/is-below.ts";
import {
  DOCKROOT_DIRECTORY,
  KEPT_IMAGES,
  LAYERS,
  NEW_LAYERS,
  rwlayerOfGeneration,
} from "./rwlayer-names.ts";
import { BootError } from "../base/errors.ts";

/** The parts of a path, without empty ones and dots. */
export function splitPath(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

/** The parts of a comma-separated list. */
export function splitFlags(flags: string): string[] {
  return flags.split(",").filter((flag) => flag !== "");
}

/**
 * A path relative to a filesystem's top level, without slashes at its ends.
 * @param option what stands before the value in messages
 * @throws BootError INVALID_OPTION for what is no UTF-8, for control characters, and for `..`
 */
export function parsePath(option: string, value: string): string {
  const parts = splitPath(value);
  if (value.includes("\uFFFD")) {
    throw invalidOption(
      `${option}${value} is not valid UTF-8`,
      "Write the path in UTF-8, or rename it.",
    );
  }
  // Those of C1 are bytes of names that boot, and messages escape them.
  if (/[\p{Cc}&&\p{ASCII}]/v.test(value)) {
    throw invalidOption(
      `${option}${value} contains a control character`,
      "Rename the directory.",
    );
  }
  if (parts.includes("..")) {
    throw invalidOption(
      `${option}${value} contains ".."`,
      "Write the path from the filesystem's top level, without dots.",
    );
  }
  return parts.join("/");
}

/** An option that cannot be used. */
export function invalidOption(message: string, hint: string): BootError {
  return new BootError("INVALID_OPTION", message, { hint });
}

/** Turns an option's value into a typed one. @throws BootError INVALID_OPTION */
export type OptionParser<T> = (option: string, value: string) => T;

/** Where root is; relative to the top level. */
export interface RootPlace {
  /** Without slashes at its ends. */
  readonly rwlayer: string;
  /** Where an earlier root is named, which is booted as it is: its path. */
  readonly generation: string | undefined;
}

/** What `rootflags=` says. Paths are relative to the top level. */
interface RootFlags {
  /** What `subvol=` names; `undefined` without it: root is an overlay. */
  readonly subvolume: RootPlace | undefined;
  /** The flags that also serve the top-level mount. */
  readonly mountFlags: readonly string[];
}

export function parseText(_option: string, value: string): string {
  return value;
}

export function parseRoot(option: string, value: string): DeviceSpec {
  refuseInnerQuotes(option, value);
  return parseDeviceSpec(option, value);
}

/** Filesystems on which a root can be an overlay. */
export const OVERLAY_FILESYSTEMS = ["btrfs", "ext4", "xfs"] as const;

export function parseRootFsType(option: string, value: string): string[] {
  const types = splitFlags(value);
  if (OVERLAY_FILESYSTEMS.some((type) => types.includes(type))) return types;
  throw invalidOption(
    `${option}=${value} cannot be used: the root filesystem must be ${OVERLAY_FILESYSTEMS.join(", ")}`,
    `Correct or drop ${option}= in the boot menu entry.`,
  );
}

export const RWLAYER_EXAMPLE =
  "Write for example rootflags=subvol=docker_rwlayer: the subvolume that dockroot makes and the initramfs mounts as root.";

export function parseRootFlags(option: string, value: string): RootFlags {
  refuseInnerQuotes(option, value);
  const flags = splitFlags(value);
  const subvolume = lastSubvolume(value);
  const byNumber = flags.find((flag) => flag.startsWith("subvolid="));
  const mountFlags = flags.filter((flag) => !/^(?:ro$|rw$|subvol=)/.test(flag));
  if (subvolume === undefined) {
    if (byNumber === undefined) return { subvolume, mountFlags };
    throw invalidOption(
      `${option}= has ${byNumber} but no subvol=NAME; the rwlayer is made anew at each boot, so its number changes`,
      RWLAYER_EXAMPLE,
    );
  }
  if (byNumber !== undefined) {
    throw invalidOption(
      `${option}= has both subvol= and subvolid=; the rwlayer's number changes at each boot`,
      `Drop subvolid= from ${option}=.`,
    );
  }
  return {
    subvolume: parseRootPlace(`${option}=subvol=`, subvolume, RWLAYER_EXAMPLE),
    mountFlags,
  };
}

/** Each would be a second meaning of a directory in `.dockroot`. */
const OWN_NAMES: ReadonlySet<string> = new Set(
  [KEPT_IMAGES, LAYERS, NEW_LAYERS].map((file) =>
    file.slice(DOCKROOT_DIRECTORY.length + 1),
  ),
);

export const ROOT_EXAMPLE = "Write for example dockroot.root=docker_rwlayer.";

/**
 * The name of a root that is an overlay. It becomes part of an option of mount(8), which separates options by
 * commas, and directories by colons.
 */
export function parseOverlayRoot(option: string, value: string): RootPlace {
  const place = parseRootPlace(`${option}=`, value, ROOT_EXAMPLE);
  if (OWN_NAMES.has(place.rwlayer)) {
    throw invalidOption(
      `${option}=${value} is a name that dockroot has for something else in ${DOCKROOT_DIRECTORY}`,
      ROOT_EXAMPLE,
    );
  }
  if (/^[\w.@%+=/-]+$/.test(value)) return place;
  throw invalidOption(
    `${option}=${value} has characters other than letters, digits and ._@%+=-/`,
    ROOT_EXAMPLE,
  );
}

/** The value of the last `subvol=` in `rootflags=`. */
export function lastSubvolume(rootFlags: string): string | undefined {
  return splitFlags(rootFlags)
    .findLast((flag) => flag.startsWith("subvol="))
    ?.slice("subvol=".length);
}

function parseRootPlace(
  option: string,
  value: string,
  example: string,
): RootPlace {
  const subvolume = parsePath(option, value);
  if (subvolume === "") {
    throw invalidOption(
      `${option}${value} names the top level itself, nothing below it`,
      example,
    );
  }
  const rwlayer = rwlayerOfGeneration(subvolume);
  if (rwlayer !== undefined) {
    parsePath(option, rwlayer);
    return { rwlayer, generation: subvolume };
  }
  if (isSameOrBelow(subvolume, DOCKROOT_DIRECTORY)) {
    throw invalidOption(
      `${option}${value} is in dockroot's own directory, and is not a generation`,
      `Choose a name outside ${DOCKROOT_DIRECTORY} for the rwlayer; a former one is at ${DOCKROOT_DIRECTORY}/NAME/generations/NUMBER.`,
    );
  }
  return { rwlayer: subvolume, generation: undefined };
}

/**
 * The kernel, systemd and the scripts of each initramfs differ in whether quotes within a value
 * belong to it: what is mounted as root could be another subvolume than the one that was made.
 */
function refuseInnerQuotes(option: string, value: string): void {
  if (!value.includes('"')) return;
  throw invalidOption(
    `${option}=${value} has quotes within its value, which not every program reads alike`,
    `Write ${option}=${value.replaceAll('"', "")}; where there are spaces in it, quotes around the whole: "${option}=...".`,
  );
}

export function parseStorePath(option: string, value: string): string {
  const path = parsePath(`${option}=`, value);
  if (path !== "") return path;
  throw invalidOption(
    `${option}=${value} is the filesystem's top level itself`,
    `The image store must be in a directory or subvolume of its own, beside the rwlayer: ${option}=docker.`,
  );
}

/** `ro` and `rw` are left out: the mount is always read-only. */
export function parseLayerFlags(_option: string, value: string): string[] {
  return splitFlags(value).filter((flag) => flag !== "ro" && flag !== "rw");
}

/** In the order in which they are laid over; `""` is the whole filesystem. */
export function parseLayerPaths(option: string, value: string): string[] {
  return value.split(":").map((path) => {
    if (path === "") {
      throw invalidOption(
        `${option}=${value} has a colon with no directory before or after it`,
        `Several top layers are written with a colon between them, the first one first: ${option}=common:laptop.`,
      );
    }
    return parsePath(`${option}=`, path);
  });
}

export function parseInit(option: string, value: string): string {
  if (value.startsWith("/")) return value;
  throw invalidOption(
    `${option}=${value} is not an absolute path`,
    `Write for example ${option}=/sbin/init, or leave ${option}= out.`,
  );
}

/** @returns a parser of one of a few words */
export function parseOneOf<T extends string>(
  ...words: readonly T[]
): OptionParser<T> {
  return (option, value) => {
    const choice = words.find((word) => word === value);
    if (choice !== undefined) return choice;
    throw invalidOption(
      `${option}=${value} is neither ${words.join(" nor ")}`,
      `Write ${option}=${words.join(` or ${option}=`)}, or leave it out.`,
    );
  };
}

/** @returns a parser of a decimal number */
export function parseNumber(min: number, max: number): OptionParser<number> {
  return (option, value) => {
    const number = /^[0-9]+$/.test(value) ? Number(value) : NaN;
    if (number >= min && number <= max) return number;
    throw invalidOption(
      `${option}=${value} is not a number from ${String(min)} to ${String(max)}`,
      `Correct ${option}=, or leave it out.`,
    );
  };
}

/** Where a filesystem is: a tag that blkid knows, or a path below /dev. */
export type DeviceSpec =
  | {
      readonly kind: "tag";
      readonly tag: "LABEL" | "UUID" | "PARTLABEL" | "PARTUUID";
      readonly value: string;
    }
  | { readonly kind: "path"; readonly path: string };

const DEVICE_HINT =
  "Write LABEL=..., UUID=..., PARTLABEL=..., PARTUUID=... or a path below /dev.";

/**
 * @param option the option's name, for messages
 * @throws BootError INVALID_OPTION
 */
export function parseDeviceSpec(option: string, value: string): DeviceSpec {
  const tagged = /^(LABEL|UUID|PARTLABEL|PARTUUID)=(.*)$/s.exec(value);
  if (tagged !== null) {
    const text = (tagged[2] ?? "").replace(/^"(.*)"$/s, "$1");
    if (text === "") {
      throw invalidOption(`${option}=${value} names no device`, DEVICE_HINT);
    }
    return {
      kind: "tag",
      tag: tagged[1] as "LABEL" | "UUID" | "PARTLABEL" | "PARTUUID",
      value: text,
    };
  }
  if (value.startsWith("/dev/") && /[^/]/.test(value.slice("/dev/".length))) {
    return { kind: "path", path: value };
  }
  throw invalidOption(
    `${option}=${value} is no device that dockroot understands`,
    DEVICE_HINT,
  );
}

/** The device as a user writes it. */
export function formatDeviceSpec(spec: DeviceSpec): string {
  return spec.kind === "path" ? spec.path : `${spec.tag}=${spec.value}`;
}
