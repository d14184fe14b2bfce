import type fs from "node:fs";
import { BootError } from "./errors.ts";

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

export function tooLarge(
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

function describeKind(stats: fs.Stats): string {
  if (stats.isDirectory()) return "a directory";
  if (stats.isSymbolicLink()) return "a link";
  if (stats.isFIFO()) return "a FIFO";
  if (stats.isSocket()) return "a socket";
  return "a device";
}
