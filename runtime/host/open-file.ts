import fs from "node:fs";
import { refuseUnreadable } from "./readable-file.ts";
import { BootError, systemErrorCode, SEE_KERNEL_LOG } from "../base/errors.ts";

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

/**
 * Opens a regular file for as long as the work takes.
 * @returns `undefined` where there is no such file
 * @throws BootError FILE_UNREADABLE where it cannot be opened, is no regular file, or is larger than
 *   `maxBytes`; and what the work throws
 */
export function withFile<T>(
  file: string,
  maxBytes: number,
  work: (opened: OpenFile) => T,
): T | undefined {
  const descriptor = openFile(file, maxBytes);
  if (descriptor === undefined) return undefined;
  try {
    return work({
      sizeBytes: () => readSize(file, descriptor, maxBytes),
      read: (into, position) => {
        readPart(file, descriptor, into, position);
      },
    });
  } finally {
    fs.closeSync(descriptor);
  }
}

function openFile(file: string, maxBytes: number): number | undefined {
  try {
    refuseUnreadable(file, fs.statSync(file), maxBytes);
    const { O_NONBLOCK, O_RDONLY } = fs.constants;
    return fs.openSync(file, O_RDONLY | O_NONBLOCK);
  } catch (cause) {
    if (["ENOENT", "ENOTDIR"].includes(systemErrorCode(cause) ?? "")) {
      return undefined;
    }
    if (cause instanceof BootError) throw cause;
    throw unreadable(file, cause);
  }
}

function readSize(file: string, descriptor: number, maxBytes: number): number {
  let stats;
  try {
    stats = fs.fstatSync(descriptor);
  } catch (cause) {
    throw unreadable(file, cause);
  }
  refuseUnreadable(file, stats, maxBytes);
  return stats.size;
}

function readPart(
  file: string,
  descriptor: number,
  into: Buffer,
  position: number,
): void {
  let done = 0;
  while (done < into.length) {
    let length;
    try {
      length = fs.readSync(
        descriptor,
        into,
        done,
        into.length - done,
        position + done,
      );
    } catch (cause) {
      throw unreadable(file, cause);
    }
    if (length === 0) {
      throw unreadable(
        file,
        new Error(`it ends at byte ${String(position + done)}`),
      );
    }
    done += length;
  }
}

function unreadable(file: string, cause: unknown): BootError {
  return new BootError("FILE_UNREADABLE", `cannot read ${file}`, {
    cause,
    hint: SEE_KERNEL_LOG,
  });
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
