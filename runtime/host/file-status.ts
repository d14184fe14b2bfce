import fs, { type Stats } from "node:fs";
import { isSystemError, systemErrorCode } from "../base/errors.ts";

export type FileKind =
  | "file"
  | "directory"
  | "symlink"
  | "FIFO"
  | "socket"
  | "block-device"
  | "character-device"
  /** A character device of the number 0:0, by which overlayfs hides a name; it lets nobody make one in an overlay. */
  | "overlay-whiteout";

export function kindOf(entry: Stats): FileKind {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "directory";
  if (entry.isSymbolicLink()) return "symlink";
  if (entry.isFIFO()) return "FIFO";
  if (entry.isSocket()) return "socket";
  if (entry.isBlockDevice()) return "block-device";
  return entry.rdev === 0 ? "overlay-whiteout" : "character-device";
}

export interface FileStatus {
  readonly kind: FileKind;
  /** 256 is the root of a btrfs subvolume. */
  readonly inode: number;
  /** The permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
}

/** The file itself, a symlink not followed; `undefined` where there is none. */
export function statusOf(file: string | Buffer): FileStatus | undefined {
  return status(() => fs.lstatSync(file, { throwIfNoEntry: false }));
}

/** What the path leads to, symlinks followed; `undefined` where there is none. */
export function statusOfTarget(file: string): FileStatus | undefined {
  return status(() => fs.statSync(file, { throwIfNoEntry: false }));
}

/**
 * The number of the filesystem that a path leads into, links followed: a subvolume has one of its own.
 * `undefined` where that cannot be told.
 */
export function deviceOf(file: string): number | undefined {
  try {
    return fs.statSync(file).dev;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return undefined;
  }
}

/** Whether chattr +i keeps root itself from changing a file; false where that cannot be told. */
export function isImmutable(file: string | Buffer): boolean {
  return isRefused(() => {
    fs.accessSync(file, fs.constants.W_OK);
  });
}

/**
 * Which attribute of chattr(1) keeps root itself from changing a file; `undefined` where none does, or
 * that cannot be told. Sets the file's mode to what it is, which tells (Node has no ioctl).
 */
export function lockingAttribute(
  file: string | Buffer,
): "immutable" | "append-only" | undefined {
  const { mode = 0, kind } = statusOf(file) ?? {};
  // A symlink has no such attribute.
  if (kind === undefined || kind === "symlink") return undefined;
  if (isImmutable(file)) return "immutable";
  const isAppendOnly = isRefused(() => {
    fs.chmodSync(file, mode);
  });
  return isAppendOnly ? "append-only" : undefined;
}

function isRefused(change: () => void): boolean {
  try {
    change();
    return false;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return systemErrorCode(error) === "EPERM";
  }
}

function status(read: () => Stats | undefined): FileStatus | undefined {
  let stats: Stats | undefined;
  try {
    stats = read();
  } catch (error) {
    // A link's target may be anything, so may its length.
    const absent = ["ENOENT", "ENOTDIR", "ENAMETOOLONG", "ELOOP"];
    if (absent.includes(systemErrorCode(error) ?? "")) return undefined;
    throw error;
  }
  if (stats === undefined) return undefined;
  return {
    kind: kindOf(stats),
    inode: stats.ino,
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    sizeBytes: stats.size,
  };
}
