import type { Host } from "../host/host.ts";
import { bytesOf } from "./layer.ts";
import type { BaseTree } from "./merged-tree.ts";

/** A directory as the tree that layers are laid over. */
export function readBaseTree(host: Host, directory: string): BaseTree {
  return { look: (file) => host.files.lookAt(bytesOf(directory, file)) };
}
