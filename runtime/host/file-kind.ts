import type { Stats } from "node:fs";

export type FileKind =
  | "file"
  | "directory"
  | "symlink"
  | "FIFO"
  | "socket"
  | "block-device"
  | "character-device";

export function kindOf(entry: Stats): FileKind {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "directory";
  if (entry.isSymbolicLink()) return "symlink";
  if (entry.isFIFO()) return "FIFO";
  if (entry.isSocket()) return "socket";
  return entry.isBlockDevice() ? "block-device" : "character-device";
}
