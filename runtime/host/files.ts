import fs from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { kindOf, statusOf, statusOfTarget } from "./file-status.ts";
import { BootError, isSystemError, systemErrorCode } from "../base/errors.ts";

export * from "./compare-files.ts";
export * from "./file-status.ts";
export * from "./read-file.ts";
export * from "./tree.ts";
export * from "./write-file.ts";

/** Commands that end while another begins; more than anybody runs at a time. */
const MAX_NEIGHBOURS = 16;

/**
 * A file of any length, piece by piece; what cannot be read makes the stream fail.
 * @param part all of it where it is not given
 */
export function streamFile(
  file: string,
  part?: { readonly offset: number; readonly sizeBytes: number },
): Readable {
  if (part === undefined) return fs.createReadStream(file);
  const { offset, sizeBytes } = part;
  if (sizeBytes === 0) return Readable.from([]);
  const end = offset + sizeBytes - 1;
  return fs.createReadStream(file, { start: offset, end });
}

/** The names in a directory, sorted; an empty list where there is no such directory. */
export function namesIn(directory: string): string[] {
  try {
    return fs.readdirSync(directory).sort();
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemErrorCode(error) ?? "")) return [];
    throw error;
  }
}

/** Whether the file is on a filesystem, or in a subvolume, that takes no writes. */
export function isReadOnly(file: string | Buffer): boolean {
  try {
    fs.accessSync(file, fs.constants.W_OK);
    return false;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === "EROFS") return true;
    // What is immutable is another matter.
    if (code === "EPERM") return false;
    throw error;
  }
}

/** The text of a symlink. */
export function linkTarget(link: string): string {
  return fs.readlinkSync(link);
}

/** The path with every symlink resolved. */
export function realPath(file: string): string {
  return fs.realpathSync(file);
}

/** Makes the directory where it is absent; what is above it must exist. */
export function ensureDirectory(directory: string, mode: number): void {
  try {
    fs.mkdirSync(directory, { mode });
  } catch (error) {
    if (systemErrorCode(error) !== "EEXIST") throw error;
    if (statusOf(directory)?.kind !== "directory") throw error;
  }
}

/**
 * Makes the directory and all above it, one by one: Node's own recursive mkdir never ends where the
 * kernel refuses with ENOENT, as below /proc. A neighbour that ends (`removeUnusedDirectory`) may
 * remove what is above it between two of them, once each.
 */
export function ensureDirectories(directory: string): void {
  for (let neighbours = 0; ; neighbours += 1) {
    try {
      makeDirectories(directory);
      return;
    } catch (error) {
      const isGone = systemErrorCode(error) === "ENOENT";
      if (!isGone || neighbours === MAX_NEIGHBOURS) throw error;
    }
  }
}

function makeDirectories(directory: string): void {
  if (statusOfTarget(directory)?.kind === "directory") return;
  const parent = path.dirname(directory);
  if (parent !== directory) makeDirectories(parent);
  // Somebody else may have made it since.
  ensureDirectory(directory, 0o777);
}

/** Removes a directory that is empty and not in use, if it can be removed: tidying up, no more. */
export function removeUnusedDirectory(directory: string): void {
  try {
    fs.rmdirSync(directory);
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}

/** Makes a symlink. */
export function makeLink(target: string, link: string): void {
  fs.symlinkSync(target, link);
}

export function rename(from: string, to: string): void {
  fs.renameSync(from, to);
}

/** Renames a file to the first name of `FILE.damaged`, `FILE.damaged-2`, ... that is free. */
export function setAside(file: string): void {
  for (let count = 1; ; count += 1) {
    const name = `${file}.damaged${count === 1 ? "" : `-${String(count)}`}`;
    if (statusOf(name) !== undefined) continue;
    fs.renameSync(file, name);
    return;
  }
}

/** Makes a directory of this mode, whatever the umask, where nothing stands; what is above it must exist. */
export function createDirectory(
  directory: string | Buffer,
  mode: number,
): void {
  fs.mkdirSync(directory, { mode: 0o700 });
  fs.chmodSync(directory, mode);
}

const WRITABLE_BY_OTHERS = 0o022;

/**
 * Appends to a file of dockroot's own, made for its owner alone where it is absent. A symlink is not
 * followed, nor is a FIFO waited for.
 * @throws BootError FILE_FOREIGN where somebody else can write to it, or it has another name, too
 */
export function appendOwnText(file: string, text: string): void {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = fs.constants;
  const flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
  const descriptor = fs.openSync(file, flags, 0o600);
  try {
    const stats = fs.fstatSync(descriptor);
    const why = findForeign(stats);
    if (why !== undefined) {
      throw new BootError("FILE_FOREIGN", `${file} ${why}`, {
        hint: `Find out who put it there, then remove ${file}.`,
      });
    }
    fs.writeFileSync(descriptor, text);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** @returns why it is not a file of dockroot's own */
function findForeign(stats: fs.Stats): string | undefined {
  if (!stats.isFile()) return `is a ${kindOf(stats)}, not a file`;
  if (stats.uid !== process.geteuid?.()) {
    return `belongs to user ${String(stats.uid)}`;
  }
  if (stats.nlink !== 1) return "has another name, too";
  if ((stats.mode & WRITABLE_BY_OTHERS) === 0) return undefined;
  return "can be written by others";
}

/** The filesystem's magic number, see statfs(2). */
export function filesystemType(file: string): number {
  return fs.statfsSync(file).type;
}

/** How much room a filesystem has, as statfs(2) tells it. */
export interface Room {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** How many files it can have still; `undefined` where that is not limited. */
  readonly freeInodes: number | undefined;
}

export function roomAt(file: string): Room {
  const { blocks, bavail, bsize, files, ffree } = fs.statfsSync(file);
  return {
    ...{ totalBytes: blocks * bsize, freeBytes: bavail * bsize },
    freeInodes: files === 0 ? undefined : ffree,
  };
}

/** How late the file is seen where the kernel watches nothing. */
const POLL_MS = 20;

/** How late it is seen in a directory that took the place of another. */
const RELOOK_MS = 1000;

/** For how long the directory may be gone: another takes its place at once, or never. */
const GONE_MS = 2000;

/**
 * Waits, however long it takes, until the directory has something of this name: a link counts
 * wherever it leads. The kernel tells of it at once (inotify), where it can.
 * @returns whether it has: not where the directory has gone
 */
export function waitForFile(file: string): Promise<boolean> {
  return waitInDirectory(
    path.dirname(file),
    () => statusOf(file) !== undefined,
  );
}

/** The same until something is true of what is in the directory. */
export function waitInDirectory(
  directory: string,
  isTrue: () => boolean,
): Promise<boolean> {
  return new Promise((resolve) => {
    let goneSince: number | undefined;
    const end = (isThere: boolean) => {
      clearInterval(timer);
      watcher?.close();
      resolve(isThere);
    };
    const look = () => {
      if (isTrue()) {
        end(true);
        return;
      }
      if (statusOfTarget(directory) !== undefined) {
        goneSince = undefined;
        return;
      }
      goneSince ??= performance.now();
      if (performance.now() - goneSince >= GONE_MS) end(false);
    };
    const watcher = watch(directory, look);
    const timer = setInterval(
      look,
      watcher === undefined ? POLL_MS : RELOOK_MS,
    );
    // It may have come before the watch began.
    look();
  });
}

/** `undefined` where the kernel watches nothing, or no more than it does. */
function watch(directory: string, tell: () => void): fs.FSWatcher | undefined {
  try {
    return fs.watch(directory, tell).on("error", tell);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return undefined;
  }
}
