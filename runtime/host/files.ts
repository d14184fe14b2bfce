import fs from "node:fs";
import path from "node:path";
import type { Readable } from "node:stream";
import { statusOf, statusOfTarget } from "./file-status.ts";
import { readToEnd, refuseUnreadable } from "./readable-file.ts";
import {
  BootError,
  isSystemError,
  systemErrorCode,
  SEE_KERNEL_LOG,
} from "../base/errors.ts";

export { probeFile } from "./open-file.ts";
export {
  deviceOf,
  statusOf,
  statusOfTarget,
  type FileStatus,
} from "./file-status.ts";
export { createDirectory, createFile } from "./new-file.ts";
export {
  putFile,
  removeFile,
  removeTemporary,
  renameDurably,
  type Attributes,
} from "./durable-files.ts";
export { appendOwnText, readOwnText } from "./readable-file.ts";
export { hashFile } from "./readable-file.ts";
export { waitForFile } from "./wait-for-file.ts";
export { withFile, type OpenFile } from "./open-file.ts";
export { replaceEmptyDirectory, walkDirectories } from "./directories.ts";
export * from "./tree.ts";
export type { FileKind } from "./file-status.ts";

/** Commands that end while another begins; more than anybody runs at a time. */
const MAX_NEIGHBOURS = 16;

/**
 * The whole content; `undefined` where there is no such file. Nothing but a regular file is opened:
 * a FIFO would block for ever, and to open a device may do something.
 * @throws BootError FILE_UNREADABLE where it cannot be read, is no regular file, or is larger than
 *   `maxBytes`, of which no more is read than that
 */
export function readBytes(file: string, maxBytes: number): Buffer | undefined {
  try {
    const stats = fs.statSync(file);
    refuseUnreadable(file, stats, maxBytes);
    const descriptor = fs.openSync(
      file,
      fs.constants.O_RDONLY | fs.constants.O_NONBLOCK,
    );
    try {
      return readToEnd(file, descriptor, stats.size, maxBytes);
    } finally {
      fs.closeSync(descriptor);
    }
  } catch (cause) {
    if (["ENOENT", "ENOTDIR"].includes(systemErrorCode(cause) ?? "")) {
      return undefined;
    }
    if (cause instanceof BootError) throw cause;
    throw new BootError("FILE_UNREADABLE", `cannot read ${file}`, {
      cause,
      hint: SEE_KERNEL_LOG,
    });
  }
}

/** As `readBytes`, decoded as UTF-8. */
export function readText(file: string, maxBytes: number): string | undefined {
  return readBytes(file, maxBytes)?.toString("utf8");
}

/** A file of any length, piece by piece; what cannot be read makes the stream fail. */
export function streamFile(file: string): Readable {
  return fs.createReadStream(file);
}

/** The beginning of a file that may be of any length. */
export interface FileStart {
  readonly bytes: Buffer;
  /** Whether that is all of it. */
  readonly isWhole: boolean;
}

/**
 * Reads no more than the first bytes of a regular file; `undefined` where there is none. A link is
 * not followed.
 * @throws BootError FILE_UNREADABLE
 */
export function readStart(
  file: string,
  maxBytes: number,
): FileStart | undefined {
  const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants;
  try {
    const stats = fs.lstatSync(file, { throwIfNoEntry: false });
    if (stats === undefined) return undefined;
    refuseUnreadable(file, stats, Infinity);
    const descriptor = fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const buffer = Buffer.alloc(maxBytes + 1);
      const length = fs.readSync(descriptor, buffer);
      return {
        bytes: buffer.subarray(0, Math.min(length, maxBytes)),
        isWhole: length <= maxBytes,
      };
    } finally {
      fs.closeSync(descriptor);
    }
  } catch (cause) {
    if (cause instanceof BootError) throw cause;
    throw new BootError("FILE_UNREADABLE", `cannot read ${file}`, {
      cause,
      hint: SEE_KERNEL_LOG,
    });
  }
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
    if (systemErrorCode(error) === "EROFS") return true;
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

/**
 * Replaces a file as a whole: after a crash it has its former content or the new one, and on btrfs
 * the new one where anything is there that was written later, which is in the same commit or in a
 * later one. Written to a temporary name, fsync, rename. Links are never followed.
 */
export function replaceFile(file: string, content: string, mode: number): void {
  replace(file, content, mode, fs.fsyncSync);
}

/** As `replaceFile`, but durable with what the whole filesystem is synced for later. */
export function replaceFileUnsynced(
  file: string,
  content: string,
  mode: number,
): void {
  replace(file, content, mode, () => undefined);
}

function replace(
  file: string,
  content: string,
  mode: number,
  sync: (descriptor: number) => void,
): void {
  const temporary = `${file}.new`;
  // What stands at that name may be a link to elsewhere, or a FIFO.
  fs.rmSync(temporary, { force: true });
  const descriptor = fs.openSync(temporary, "wx", mode);
  try {
    fs.writeFileSync(descriptor, content);
    sync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
  fs.renameSync(temporary, file);
}

/** One `write` of the whole text at the file's end: what the kernel log device asks for. */
export function appendText(file: string, text: string): void {
  fs.appendFileSync(file, text);
}

/** The filesystem's magic number, see statfs(2). */
export function filesystemType(file: string): number {
  return fs.statfsSync(file).type;
}

/** How much room a filesystem has, as statfs(2) tells it. */
export interface Room {
  readonly totalBytes: number;
  readonly freeBytes: number;
}

export function roomAt(file: string): Room {
  const { blocks, bavail, bsize } = fs.statfsSync(file);
  return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
}
