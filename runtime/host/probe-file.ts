import fs from "node:fs";
import { systemErrorCode } from "../base/errors.ts";

/**
 * Reads the first bytes of a regular file, to learn whether it can be read.
 * @returns the bytes, or the system's error code
 */
export function probeFile(
  file: Buffer,
  bytes: number,
): { readonly start: Buffer } | { readonly refused: string } {
  const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants;
  try {
    const descriptor = fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const start = Buffer.alloc(bytes);
      const length = fs.readSync(descriptor, start);
      return { start: start.subarray(0, length) };
    } finally {
      fs.closeSync(descriptor);
    }
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined) throw error;
    return { refused: code };
  }
}
