import fs from "node:fs";
import { BootError, systemErrorCode, SEE_KERNEL_LOG } from "../base/errors.ts";
import { createSha256 } from "../base/sha256.ts";

const READ_BYTES = 64 * 1024;

/** @throws BootError FILE_UNREADABLE for what is no regular file, or larger than `maxBytes` */
export function refuseUnreadable(
  file: string,
  stats: fs.Stats,
  maxBytes: number,
): void {
  if (!stats.isFile()) {
    throw new BootError(
      "FILE_UNREADABLE",
      `${file} is ${describeKind(stats)}, not a file`,
      { hint: `Put a regular file in the place of ${file}.` },
    );
  }
  if (stats.size > maxBytes) throw tooLarge(file, stats.size, maxBytes);
}

function tooLarge(
  file: string,
  sizeBytes: number,
  maxBytes: number,
): BootError {
  return new BootError(
    "FILE_UNREADABLE",
    `${file} has ${String(sizeBytes)} bytes; at most ${String(maxBytes)} make sense`,
    { hint: `Restore ${file}: this is not what was written to it.` },
  );
}

/** @param expectedBytes what the file says of itself: 0 below /proc, whatever is in it */
export function readToEnd(
  file: string,
  descriptor: number,
  expectedBytes: number,
  maxBytes: number,
): Buffer {
  const pieces: Buffer[] = [];
  let total = 0;
  for (;;) {
    const room = Math.max(expectedBytes - total, READ_BYTES) + 1;
    const piece = Buffer.allocUnsafe(room);
    const length = fs.readSync(descriptor, piece);
    if (length === 0) return join(pieces);
    total += length;
    if (total > maxBytes) throw tooLarge(file, total, maxBytes);
    pieces.push(piece.subarray(0, length));
  }
}

/** A piece that is all of it is not copied. */
function join(pieces: readonly Buffer[]): Buffer {
  const [first] = pieces;
  return first !== undefined && pieces.length === 1
    ? first
    : Buffer.concat(pieces);
}

function describeKind(stats: fs.Stats): string {
  if (stats.isDirectory()) return "a directory";
  if (stats.isSymbolicLink()) return "a link";
  if (stats.isFIFO()) return "a FIFO";
  if (stats.isSocket()) return "a socket";
  return "a device";
}

// Files of which root alone may say what is in them.

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } =
  fs.constants;

/**
 * As `readText`, but a symlink is not followed, and the file must be root's.
 * @throws BootError FILE_FOREIGN, FILE_UNREADABLE
 */
export function readOwnText(
  file: string,
  maxBytes: number,
): string | undefined {
  let descriptor: number;
  try {
    descriptor = fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (cause) {
    const code = systemErrorCode(cause);
    if (code === "ENOENT") return undefined;
    if (code === "ELOOP") throw foreign(file, "a symlink");
    throw new BootError("FILE_UNREADABLE", `cannot read ${file}`, {
      cause,
      hint: SEE_KERNEL_LOG,
    });
  }
  try {
    const stats = fs.fstatSync(descriptor);
    if (stats.uid !== 0) throw foreign(file, `user ${String(stats.uid)}'s`);
    refuseUnreadable(file, stats, maxBytes);
    return readToEnd(file, descriptor, stats.size, maxBytes).toString("utf8");
  } finally {
    fs.closeSync(descriptor);
  }
}

/**
 * Appends to a file that root alone may read, made where it is absent. A symlink is not followed, nor
 * is a FIFO waited for.
 */
export function appendOwnText(file: string, text: string): void {
  const flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
  const descriptor = fs.openSync(file, flags, 0o600);
  try {
    fs.writeFileSync(descriptor, text);
  } finally {
    fs.closeSync(descriptor);
  }
}

function foreign(file: string, whose: string): BootError {
  return new BootError("FILE_FOREIGN", `${file} is ${whose}, not root's`, {
    hint: `See who put it there, and remove ${file}.`,
  });
}

const PIECE_BYTES = 1024 * 1024;

/** The SHA-256 of a file of any size, in hex digits. */
export function hashFile(file: string): string {
  const hash = createSha256();
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
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
