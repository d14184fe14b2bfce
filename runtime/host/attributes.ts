import fs from "node:fs";
import { systemErrorCode } from "./errors.ts";

/** Who may do what with a file. */
export interface Attributes {
  /** The permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
}

/** Of the path itself, a symlink not followed; `undefined` where nothing stands there. */
export function attributesOf(file: string | Buffer): Attributes | undefined {
  const stats = lstatIfThere(file);
  if (stats === undefined) return undefined;
  const { mode, uid, gid, size } = stats;
  return { mode: mode & 0o7777, uid, gid, sizeBytes: size };
}

/** What lstat(2) tells; `undefined` where nothing stands there. */
export function lstatIfThere(file: string | Buffer): fs.Stats | undefined {
  try {
    return fs.lstatSync(file, { throwIfNoEntry: false });
  } catch (error) {
    const absent = ["ENOTDIR", "ENAMETOOLONG"];
    if (absent.includes(systemErrorCode(error) ?? "")) return undefined;
    throw error;
  }
}

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
