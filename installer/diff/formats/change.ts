import type { FileKind } from "../../../runtime/host/file-status.ts";

/** What may differ of something that is in both trees. */
export const ASPECTS = [
  "type",
  "content",
  "mode",
  "owner",
  "xattrs",
  // Which other names it has: it was replaced by a file of its own, or by a hard link.
  "links",
  "target",
  "device",
] as const;

export type Aspect = (typeof ASPECTS)[number];

/** One place at which two trees differ. */
export interface Change {
  /** Relative to the trees, with one byte a character (latin1); `""` is the tree itself. */
  readonly path: string;
  readonly kind: "added" | "deleted" | "changed";
  /** What is there now; what was there, where it is deleted. */
  readonly type: FileKind;
  /** Of what is changed, at least one. */
  readonly aspects: readonly Aspect[];
  /** How many files a directory has that came or went with it; 1 of anything else. */
  readonly files: number;
  /** Of what is there now, or of what is deleted. */
  readonly bytes: number;
}
