import type { Host } from "../host/host.ts";
import { bytesOf } from "./layer.ts";
import type { BaseTree } from "./merged-tree.ts";

/**
 * A directory as the tree that layers are laid over.
 * @param removed what will be gone from it by then; relative, in UTF-8
 */
export function readBaseTree(
  host: Host,
  directory: string,
  removed: readonly string[] = [],
): BaseTree {
  const gone = new Set(
    removed.map((file) => Buffer.from(file).toString("latin1")),
  );
  return {
    look: (file) =>
      gone.has(file) ? undefined : host.files.lookAt(bytesOf(directory, file)),
  };
}
