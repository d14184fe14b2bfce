import fs from "node:fs";
import { BootError } from "../base/errors.ts";

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
