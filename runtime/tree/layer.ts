import type { FileKind, ListedEntry } from "../host/files.ts";
import { BootError } from "../base/errors.ts";

/** One entry of a top layer. */
export interface LayerEntry extends Pick<
  ListedEntry,
  "name" | "kind" | "inode" | "target" | "hasSpecialBits"
> {
  /** Of a directory: what is in it, sorted by the bytes of its names. */
  readonly children: readonly LayerEntry[];
  /** Whether cp can copy it as it is: neither it nor anything in it is a whiteout (OCI's or overlayfs's) or a socket. */
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

/**
 * What a name says of its directory, by the whiteouts of OCI's image layers.
 * @see https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
 */
type Whiteout =
  /** What stands at this name goes. */
  | { readonly kind: "delete"; readonly name: string }
  /** All that is in the directory goes. */
  | { readonly kind: "opaque" }
  /** Reserved, or without a name: it has no meaning, and is not copied. */
  | { readonly kind: "invalid" };

const PREFIX = ".wh.";

/** @returns `undefined` where the name is an ordinary one */
export function parseWhiteout(name: string): Whiteout | undefined {
  if (!name.startsWith(PREFIX)) return undefined;
  const deleted = name.slice(PREFIX.length);
  if (deleted === ".wh..opq") return { kind: "opaque" };
  const isName =
    !["", ".", ".."].includes(deleted) && !deleted.startsWith(PREFIX);
  return isName ? { kind: "delete", name: deleted } : { kind: "invalid" };
}

/** Arguments of a program are UTF-8 here. @throws BootError TOPLAYER_UNSUITABLE */
export function requireNameable(file: string, whose: string): void {
  const bytes = Buffer.from(file, "latin1");
  if (bytes.equals(Buffer.from(bytes.toString("utf8")))) return;
  throw new BootError(
    "TOPLAYER_UNSUITABLE",
    `the name ${showPath(file)} in ${whose} is not valid UTF-8`,
    { hint: "Rename it." },
  );
}
