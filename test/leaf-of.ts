import path from "node:path";
import type { FoundImage } from "../runtime/stores/store.ts";

/** What is the topmost in an image, relative to the directory `base`: its subvolume, or its leaf layer. */
export function leafOf({ tree }: Pick<FoundImage, "tree">, base = ""): string {
  const leaf =
    tree.kind === "subvolume" ? tree.source : tree.layers[0]?.directory;
  return path.relative(base, leaf ?? "");
}
