import { unescapeOctal } from "../../../runtime/base/escape.ts";
import { isSameOrBelow } from "../../../runtime/base/is-below.ts";
import path from "node:path";
import type { Mount } from "../../../runtime/disk/mounts.ts";

/** One line of an fstab that mounts something, or uses it as swap. */
export interface FstabEntry {
  /** From 1. */
  readonly line: number;
  readonly source: string;
  /** Without slashes at its end; `none` for swap. */
  readonly mountPoint: string;
  readonly fsType: string;
  readonly options: readonly string[];
}

interface Fstab {
  readonly entries: readonly FstabEntry[];
  /** Lines that programs may not read as they are meant. */
  readonly odd: readonly { readonly line: number; readonly why: string }[];
}

/**
 * Parses an fstab: fields apart by blanks, `\040` and its like for what they cannot hold.
 * @see https://man7.org/linux/man-pages/man5/fstab.5.html
 */
export function parseFstab(text: string): Fstab {
  const entries: FstabEntry[] = [];
  const odd: { line: number; why: string }[] = [];
  for (const [index, whole] of text.split("\n").entries()) {
    const line = index + 1;
    const fields = whole.split(/[ \t\r]+/).filter((field) => field !== "");
    const [source, mountPoint, fsType, options = "defaults"] = fields;
    if (source === undefined || source.startsWith("#")) continue;
    const comment = fields.findIndex((field) => field.startsWith("#"));
    const used = comment === -1 ? fields : fields.slice(0, comment);
    const why = describeOdd(used, whole);
    if (why !== undefined) odd.push({ line, why });
    if (mountPoint === undefined || fsType === undefined) continue;
    entries.push({
      line,
      source: unescapeOctal(source).replace(/^(\w+)="(.*)"$/, "$1=$2"),
      mountPoint: unescapeOctal(mountPoint).replace(/(?<=.)\/+$/, ""),
      fsType,
      options: options
        .split(",")
        .filter((option) => option !== "")
        .map(unescapeOctal),
    });
  }
  return { entries, odd };
}

/** The value of an option that has one; of a repeated one the last. */
export function optionValue(
  { options }: FstabEntry,
  name: string,
): string | undefined {
  const found = options.findLast((option) => option.startsWith(`${name}=`));
  return found?.slice(name.length + 1);
}

/**
 * Whether it is mounted without a person's doing: at boot, or by systemd when somebody looks into it.
 * @see https://www.freedesktop.org/software/systemd/man/latest/systemd.mount.html#fstab
 */
export function isMounted({ options }: FstabEntry): boolean {
  const last = options.findLast((option) => /^(?:no)?auto$/.test(option));
  return (
    last !== "noauto" ||
    options.some((option) =>
      ["x-systemd.automount", "comment=systemd.automount"].includes(option),
    )
  );
}

/** Where a system keeps programs, and what it knows of them; logs, caches and an engine's store are no part of it. */
const OF_SYSTEM = /^\/(?:opt|root|srv|usr|var)(?:\/|$)/;
const NOT_OF_SYSTEM =
  /^\/var\/(?:cache|crash|log|mail|spool|tmp|lib\/(?:docker|containerd|containers))(?:\/|$)/;

/** Whether files of the image can be below its mount point that the new system needs. */
export function hidesSystem({ mountPoint }: FstabEntry): boolean {
  return OF_SYSTEM.test(mountPoint) && !NOT_OF_SYSTEM.test(mountPoint);
}

/** A field of an fstab. */
export function escapeFstab(text: string): string {
  return text.replace(
    /[\s\\#]/g,
    (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`,
  );
}

function describeOdd(
  fields: readonly string[],
  whole: string,
): string | undefined {
  const [, , , , frequency = "0", pass = "0"] = fields;
  if (whole.endsWith("\r"))
    return "it ends with a carriage return, as lines of Windows do";
  if (fields.length < 3) return `it has ${String(fields.length)} of 6 fields`;
  if (fields.length > 6) {
    return `it has ${String(fields.length)} fields instead of 6 (a space in a name is written \\040)`;
  }
  return /^\d+$/.test(frequency) && /^\d+$/.test(pass)
    ? undefined
    : "its last two fields are not numbers";
}

/** Where a directory is, whatever its filesystem is mounted as. */
export interface Location {
  readonly mount: Mount;
  /** From the filesystem's top level, without a slash before it; `""` is all of it. */
  readonly path: string;
}

/**
 * The deepest mount point counts, not the latest: what an initramfs has moved stands before the root.
 * @param directory absolute, free of symlinks
 */
export function locate(
  mounts: readonly Mount[],
  directory: string,
): Location | undefined {
  const around = mounts.filter(({ mountPoint }) =>
    isSameOrBelow(directory, mountPoint),
  );
  const [first, ...others] = around;
  if (first === undefined) return undefined;
  const mount = others.reduce(
    (deepest, other) =>
      other.mountPoint.length >= deepest.mountPoint.length ? other : deepest,
    first,
  );
  const below = path.relative(mount.mountPoint, directory);
  return { mount, path: path.join(mount.root, below).slice(1) };
}
