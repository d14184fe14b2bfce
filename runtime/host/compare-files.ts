import fs from "node:fs";
import { kindOf, type FileKind } from "./file-status.ts";

/** All that lstat(2) tells of a file that does not change by itself, in full. */
export interface WholeStatus {
  readonly kind: FileKind;
  /** The permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** 0 of what is no file. */
  readonly sizeBytes: number;
  readonly links: number;
  /** The number of a device. */
  readonly device: number;
  readonly inode: bigint;
  /** When the kernel changed its inode last: content, mode, owner or xattrs. */
  readonly changedNs: bigint;
  /** A symlink's text, one byte a character (latin1). */
  readonly target: string | undefined;
}

/** The file itself, a symlink not followed; `undefined` where there is none. */
export function wholeStatusOf(file: Buffer): WholeStatus | undefined {
  const stats = fs.lstatSync(file, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const kind = kindOf(stats);
  const { ino, ctimeNs } = fs.lstatSync(file, { bigint: true });
  return {
    kind,
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    sizeBytes: kind === "file" ? stats.size : 0,
    links: stats.nlink,
    device: stats.rdev,
    inode: ino,
    changedNs: ctimeNs,
    target: kind === "symlink" ? fs.readlinkSync(file, "latin1") : undefined,
  };
}

/** The names in a directory, sorted by their bytes, with one byte a character (latin1). */
export function bytesOfNamesIn(directory: Buffer): string[] {
  return fs.readdirSync(directory, { encoding: "latin1" }).sort();
}

const PIECE_BYTES = 1024 * 1024;

/** Whether two regular files of the same size have the same bytes. */
export function hasSameContent(one: Buffer, other: Buffer): boolean {
  const { O_NOFOLLOW, O_RDONLY } = fs.constants;
  const descriptors = [one, other].map((file) =>
    fs.openSync(file, O_RDONLY | O_NOFOLLOW),
  );
  try {
    const [first = -1, second = -1] = descriptors;
    const pieces = [0, 0].map(() => Buffer.allocUnsafe(PIECE_BYTES));
    const [left = Buffer.alloc(0), right = Buffer.alloc(0)] = pieces;
    for (;;) {
      const length = fs.readSync(first, left);
      if (fs.readSync(second, right) !== length) return false;
      if (length === 0) return true;
      if (left.compare(right, 0, length, 0, length) !== 0) return false;
    }
  } finally {
    for (const descriptor of descriptors) fs.closeSync(descriptor);
  }
}
