import fs from "node:fs";
import { BootError, isSystemError, systemErrorCode } from "../base/errors.ts";
import { hintFor } from "../base/hints.ts";
import { kindOf } from "./file-status.ts";
import { decodeText } from "../base/decode-text.ts";
import { createSha256 } from "../base/sha256.ts";

const READ_BYTES = 64 * 1024;

const HASHED_BYTES = 1024 * 1024;

/** A file of which parts are read. */
export interface OpenFile {
  /** Now: it may grow, or shrink. @throws BootError FILE_UNREADABLE */
  readonly sizeBytes: () => number;
  /**
   * Fills the buffer with what is at that position.
   * @throws BootError FILE_UNREADABLE where it cannot be read, or ends before
   */
  readonly read: (into: Buffer, position: number) => void;
}

/** The beginning of a file that may be of any length. */
export interface FileStart {
  readonly bytes: Buffer;
  /** Whether that is all of it. */
  readonly isWhole: boolean;
}

interface ReadOptions {
  readonly maxBytes: number;
  /** Whether a symlink at the end of the path is followed. */
  readonly isFollowed: boolean;
  /** Whether the file must be root's. */
  readonly isOwn?: boolean;
}

/**
 * Opens a regular file for as long as the work takes. Nothing else is opened: a FIFO would block for
 * ever, and to open a device may do something.
 * @param work gets the descriptor, and the size that the file tells: 0 below /proc
 * @returns `undefined` where there is no such file
 * @throws BootError FILE_UNREADABLE where it cannot be read, is no regular file, or is larger than
 *   `maxBytes`; FILE_FOREIGN where it is not root's; and what else the work throws
 */
function withDescriptor<T>(
  file: string | Buffer,
  { maxBytes, isFollowed, isOwn = false }: ReadOptions,
  work: (descriptor: number, sizeBytes: number) => T,
): T | undefined {
  const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants;
  let stats: fs.Stats;
  let descriptor: number;
  try {
    stats = isFollowed ? fs.statSync(file) : fs.lstatSync(file);
    if (isOwn) refuseForeign(file, stats);
    refuseUnreadable(file, stats, maxBytes);
    const flags = O_RDONLY | O_NONBLOCK | (isFollowed ? 0 : O_NOFOLLOW);
    descriptor = fs.openSync(file, flags);
  } catch (cause) {
    const code = systemErrorCode(cause);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw cause instanceof BootError ? cause : unreadable(file, cause);
  }
  try {
    // Another may have taken its place since.
    if (isOwn) refuseForeign(file, fs.fstatSync(descriptor));
    return work(descriptor, stats.size);
  } catch (cause) {
    throw isSystemError(cause) ? unreadable(file, cause) : cause;
  } finally {
    fs.closeSync(descriptor);
  }
}

/**
 * Reads parts of a file, symlinks followed.
 * @returns what the work returns; `undefined` where there is no such file
 * @throws BootError FILE_UNREADABLE, as `readBytes`; and what the work throws
 */
export function withFile<T>(
  file: string,
  maxBytes: number,
  work: (opened: OpenFile) => T,
): T | undefined {
  const options = { maxBytes, isFollowed: true };
  return withDescriptor(file, options, (descriptor) =>
    work({
      sizeBytes: () => {
        const stats = fs.fstatSync(descriptor);
        refuseUnreadable(file, stats, maxBytes);
        return stats.size;
      },
      read: (into, position) => {
        let done = 0;
        while (done < into.length) {
          const [left, at] = [into.length - done, position + done];
          const length = fs.readSync(descriptor, into, done, left, at);
          if (length === 0) {
            const cause = new Error(`the file ends at byte ${String(at)}`);
            throw unreadable(file, cause);
          }
          done += length;
        }
      },
    }),
  );
}

/**
 * The whole content, symlinks followed; `undefined` where there is no such file.
 * @throws BootError FILE_UNREADABLE where it cannot be read, is no regular file, or is larger than
 *   `maxBytes`, of which no more is read than that
 */
export function readBytes(file: string, maxBytes: number): Buffer | undefined {
  return readWhole(file, { maxBytes, isFollowed: true });
}

/** As `readBytes`, decoded. */
export function readText(file: string, maxBytes: number): string | undefined {
  const bytes = readBytes(file, maxBytes);
  return bytes === undefined ? undefined : decodeText(bytes);
}

/**
 * As `readText`, but a symlink is not followed, and the file must be root's.
 * @throws BootError FILE_FOREIGN, FILE_UNREADABLE
 */
export function readOwnText(
  file: string,
  maxBytes: number,
): string | undefined {
  const options = { maxBytes, isFollowed: false, isOwn: true };
  return readWhole(file, options)?.toString("utf8");
}

/** @returns a piece that is all of it uncopied */
function readWhole(file: string, options: ReadOptions): Buffer | undefined {
  return withDescriptor(file, options, (descriptor, sizeBytes) => {
    const full: Buffer[] = [];
    let total = 0;
    let piece = Buffer.allocUnsafe(Math.max(sizeBytes, READ_BYTES) + 1);
    let filled = 0;
    for (;;) {
      const room = piece.length - filled;
      const length = fs.readSync(descriptor, piece, filled, room, null);
      if (length === 0) break;
      total += length;
      if (total > options.maxBytes) {
        throw tooLarge(file, total, options.maxBytes);
      }
      filled += length;
      if (filled < piece.length) continue;
      full.push(piece);
      piece = Buffer.allocUnsafe(READ_BYTES);
      filled = 0;
    }
    const last = piece.subarray(0, filled);
    return full.length === 0 ? last : Buffer.concat([...full, last]);
  });
}

/**
 * Reads no more than the first bytes of a regular file; `undefined` where there is none. A symlink is
 * not followed.
 * @throws BootError FILE_UNREADABLE
 */
export function readStart(
  file: string | Buffer,
  maxBytes: number,
): FileStart | undefined {
  const options = { maxBytes: Infinity, isFollowed: false };
  return withDescriptor(file, options, (descriptor) => {
    const buffer = Buffer.alloc(maxBytes + 1);
    const length = fs.readSync(descriptor, buffer);
    return {
      bytes: buffer.subarray(0, Math.min(length, maxBytes)),
      isWhole: length <= maxBytes,
    };
  });
}

/** The SHA-256 of a file of any size, in hex digits. */
export function hashFile(file: string): string {
  const hash = createSha256();
  const piece = Buffer.allocUnsafe(HASHED_BYTES);
  const descriptor = fs.openSync(file, "r");
  try {
    for (;;) {
      const length = fs.readSync(descriptor, piece);
      if (length === 0) return hash.digest("hex");
      hash.update(piece.subarray(0, length));
    }
  } finally {
    fs.closeSync(descriptor);
  }
}

/** @throws BootError FILE_UNREADABLE for what is no regular file, or larger than `maxBytes` */
function refuseUnreadable(
  file: string | Buffer,
  stats: fs.Stats,
  maxBytes: number,
): void {
  if (!stats.isFile()) {
    throw new BootError(
      "FILE_UNREADABLE",
      `${String(file)} is a ${kindOf(stats)}, not a file`,
      { hint: `Replace ${String(file)} with a regular file.` },
    );
  }
  if (stats.size > maxBytes) throw tooLarge(file, stats.size, maxBytes);
}

function tooLarge(
  file: string | Buffer,
  sizeBytes: number,
  maxBytes: number,
): BootError {
  return new BootError(
    "FILE_UNREADABLE",
    `${String(file)} has ${String(sizeBytes)} bytes; the limit is ${String(maxBytes)}`,
    { hint: `The file is damaged: restore ${String(file)}.` },
  );
}

/** @throws BootError FILE_FOREIGN for what is a symlink, or not root's */
function refuseForeign(file: string | Buffer, stats: fs.Stats): void {
  const isLink = stats.isSymbolicLink();
  if (!isLink && stats.uid === 0) return;
  const what = isLink
    ? "is a symlink"
    : `belongs to user ${String(stats.uid)}, not to root`;
  throw new BootError("FILE_FOREIGN", `${String(file)} ${what}`, {
    hint: `Find out who put it there, then remove ${String(file)}.`,
  });
}

function unreadable(file: string | Buffer, cause: unknown): BootError {
  const hint = isSystemError(cause)
    ? hintFor(cause)
    : `The file is damaged: restore ${String(file)}.`;
  const message = `cannot read ${String(file)}`;
  return new BootError("FILE_UNREADABLE", message, { cause, hint });
}
