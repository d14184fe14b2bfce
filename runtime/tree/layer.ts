import type { FileKind } from "../host/files.ts";

/** One entry of a top layer. */
export interface LayerEntry {
  /** One byte a character (latin1): any byte may be in a name. */
  readonly name: string;
  readonly kind: FileKind;
  /** The same for all names of one inode; `undefined` where there is no other name. */
  readonly inode: string | undefined;
  /** A symlink's text, as `name`. */
  readonly target: string | undefined;
  /** Whether it is setuid, setgid or sticky. */
  readonly hasSpecialBits: boolean;
  /** Of a directory: what is in it, sorted by the bytes of its names. */
  readonly children: readonly LayerEntry[];
  /** Whether cp can copy it as it is: neither it nor anything in it is a whiteout or a socket. */
  readonly isPlain: boolean;
}

/** The whole tree of one top layer. */
export interface ListedLayer {
  /** Where its directory is mounted. */
  readonly at: string;
  readonly root: LayerEntry;
  /** How many entries are in it. */
  readonly entryCount: number;
  /** The filesystem keeps neither owners nor modes: what it tells of them was made up. */
  readonly isOwnerless: boolean;
}

/** As what entries are counted; FIFOs and devices are others. */
export function countedAs(
  kind: FileKind,
): "directories" | "files" | "others" | "symlinks" {
  if (kind === "file") return "files";
  if (kind === "directory") return "directories";
  return kind === "symlink" ? "symlinks" : "others";
}

/** A path of one byte a character as people read it. */
export function showPath(file: string): string {
  return `/${Buffer.from(file, "latin1").toString("utf8")}`;
}

/** A path below a directory, as the system takes it. */
export function bytesOf(directory: string, file: string): Buffer {
  const below = file === "" ? "" : `/${file}`;
  return Buffer.concat([Buffer.from(directory), Buffer.from(below, "latin1")]);
}

/** @param directory `""` is the root */
export function pathIn(directory: string, name: string): string {
  return directory === "" ? name : `${directory}/${name}`;
}
