import type { FileStatus } from "../../../runtime/host/files.ts";

/** Who may do what with a file. */
export type Attributes = Pick<FileStatus, "mode" | "uid" | "gid">;

/** What a file is to hold. */
export type Content =
  | { readonly text: string }
  /** The file of that absolute path, as it is before any change is made. */
  | { readonly copyOf: string };

/** A file that is to be other than it is. */
export type Change =
  | ({
      readonly kind: "write";
      readonly path: string;
      readonly content: Content;
    } & Attributes)
  | { readonly kind: "remove"; readonly path: string }
  /** Another program may replace it: only what it is now is kept. */
  | { readonly kind: "keep"; readonly path: string };

export function writeChange(
  path: string,
  content: Content,
  { mode, uid, gid }: Attributes,
): Change {
  return { kind: "write", path, content, mode, uid, gid };
}
