import fs from "node:fs";
import { systemErrorCode } from "../base/errors.ts";
import {
  kindOf,
  statusOf,
  type FileKind,
  type FileStatus,
} from "./file-status.ts";

/** Setuid, setgid and sticky. */
const SPECIAL_BITS = 0o7000;

/** What stands at the path itself, whatever bytes its names are of; `undefined` where nothing does. */
export function lookAt(
  file: Buffer,
): (LinkOrOther & { readonly inode: number }) | undefined {
  const status = statusOf(file);
  if (status === undefined) return undefined;
  const { kind, inode, mode } = status;
  const hasSpecialBits = (mode & SPECIAL_BITS) !== 0;
  const target =
    kind === "symlink" ? fs.readlinkSync(file, "latin1") : undefined;
  return { kind, inode, target, hasSpecialBits };
}

export type LinkOrOther = Pick<
  ListedEntry,
  "kind" | "target" | "hasSpecialBits"
>;

/** What is in one directory of a tree. Names and paths have one byte a character (latin1). */
export interface ListedDirectory {
  /** Relative to the tree; `""` is the tree itself. */
  readonly path: string;
  /** Sorted by the bytes of their names. */
  readonly entries: readonly ListedEntry[];
}

export interface ListedEntry {
  /** One byte a character (latin1): any byte may be in a name. */
  readonly name: string;
  readonly kind: FileKind;
  readonly sizeBytes: number;
  /** What lstat(2) tells of it but for its place on the disk. */
  readonly fingerprint: string;
  /** When its inode was changed last. */
  readonly changedMs: number;
  /** The same for all names of one inode; `undefined` where there is no other name. */
  readonly inode: string | undefined;
  /** A symlink's text, as `name`. */
  readonly target: string | undefined;
  /** Whether it is setuid, setgid or sticky. */
  readonly hasSpecialBits: boolean;
}

/**
 * The directories of a tree, each after the one that it is in, in the same order for the same names.
 * Symlinks are not followed.
 */
export function* walkTree(tree: string): Generator<ListedDirectory> {
  const root = Buffer.from(`${tree}/`).toString("latin1");
  const pending = [""];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const directory = path === "" ? "" : `${path}/`;
    const whole = root + directory;
    const entries = fs
      .readdirSync(systemPath(whole), { encoding: "latin1" })
      .sort()
      .map((name) => listEntry(whole, name));
    yield { path, entries };
    for (const { kind, name } of entries) {
      if (kind === "directory") pending.push(directory + name);
    }
  }
}

/**
 * The directories below a tree, each after the one that it is in; symlinks are not followed. Nothing
 * else is looked at, and a directory that has gone meanwhile is empty.
 * @param isEntered whether what is in a directory is looked at; gets its path, relative to the tree, with
 *   one byte a character (latin1)
 */
export function walkDirectories(
  tree: string,
  isEntered: (path: string, status: FileStatus) => boolean,
): void {
  const root = Buffer.from(`${tree}/`).toString("latin1");
  const pending = [""];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const directory = path === "" ? "" : `${path}/`;
    for (const name of directoriesIn(systemPath(root + path))) {
      const own = directory + name.toString("latin1");
      const status = statusOf(systemPath(root + own));
      if (status !== undefined && isEntered(own, status)) pending.push(own);
    }
  }
}

function directoriesIn(directory: string | Buffer): Buffer[] {
  try {
    return fs
      .readdirSync(directory, { encoding: "buffer", withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return [];
    throw error;
  }
}

/** Of a path with one byte a character; what is ASCII is taken as it is, which is faster. */
function systemPath(file: string): string | Buffer {
  return /^[\0-\x7f]*$/.test(file) ? file : Buffer.from(file, "latin1");
}

/** @param directory ends in a slash */
function listEntry(directory: string, name: string): ListedEntry {
  const file = systemPath(directory + name);
  const stats = fs.lstatSync(file);
  const kind = kindOf(stats);
  const target =
    kind === "symlink" ? fs.readlinkSync(file, "latin1") : undefined;
  const size = kind === "file" || kind === "symlink" ? stats.size : 0;
  const { mode, uid, gid, rdev, mtimeMs, ctimeMs } = stats;
  return {
    name,
    kind,
    target,
    hasSpecialBits: (mode & SPECIAL_BITS) !== 0,
    sizeBytes: kind === "file" ? size : 0,
    changedMs: ctimeMs,
    fingerprint: `${String(mode)} ${String(uid)} ${String(gid)} ${String(rdev)} ${String(size)} ${String(mtimeMs)} ${String(ctimeMs)}`,
    inode: kind !== "directory" && stats.nlink > 1 ? inodeOf(file) : undefined,
  };
}

/** In full: a number would round large ones. */
function inodeOf(file: string | Buffer): string {
  const { dev, ino } = fs.lstatSync(file, { bigint: true });
  return `${String(dev)}:${String(ino)}`;
}

/** Puts a new directory in the place of an empty one. */
export function replaceEmptyDirectory(
  directory: Buffer,
  { mode, uid, gid }: Pick<FileStatus, "mode" | "uid" | "gid">,
): void {
  fs.rmdirSync(directory);
  fs.mkdirSync(directory, { mode: 0o700 });
  fs.chownSync(directory, uid, gid);
  fs.chmodSync(directory, mode);
}

/** Gives a directory owner, mode and times of another. */
export function copyOwnerModeTimes(from: string, to: string): void {
  const { uid, gid, mode, atime, mtime } = fs.lstatSync(from);
  fs.chownSync(to, uid, gid);
  fs.chmodSync(to, mode & 0o7777);
  fs.utimesSync(to, atime, mtime);
}

/** Removes what stands there, a directory with all that is in it, a symlink itself. */
export function removeTree(file: Buffer): void {
  fs.rmSync(file, { recursive: true });
}

/** Removes all that is in a directory. */
export function emptyDirectory(directory: Buffer): void {
  for (const name of fs.readdirSync(directory, { encoding: "buffer" })) {
    removeTree(Buffer.concat([directory, Buffer.from("/"), name]));
  }
}

/** Gives a file one more name, in the place of what stands there. */
export function replaceByLink(existing: Buffer, name: Buffer): void {
  fs.rmSync(name, { force: true });
  fs.linkSync(existing, name);
}

/** Makes a directory neither setuid, setgid nor sticky. */
export function clearSpecialBits(directory: Buffer): void {
  fs.chmodSync(
    directory,
    fs.lstatSync(directory).mode & ~SPECIAL_BITS & 0o7777,
  );
}

/** Gives a file or directory to root and a group, with this mode. */
export function giveToRoot(file: Buffer, mode: number, gid: number): void {
  fs.chownSync(file, 0, gid);
  fs.chmodSync(file, mode);
}
