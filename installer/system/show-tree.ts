import path from "node:path";
import { mountOverlay } from "../../runtime/disk/overlay/mount-overlay.ts";
import { unmount } from "../../runtime/disk/mount-stack.ts";
import { isMountPoint } from "../../runtime/disk/mounts.ts";
import { DEFAULT_RUN_DIRECTORY } from "../../runtime/disk/run-directory.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { StoredTree } from "../../runtime/stores/store.ts";
import { holdSignals } from "./hold-signals.ts";

/**
 * Has the tree of an image in one place for as long as the work takes: layers are mounted as a read-only overlay.
 * @param topLevel that the tree's paths are relative to
 * @throws BootError MOUNT_FAILED
 */
export async function withTree<T>(
  host: Host,
  topLevel: string,
  tree: StoredTree,
  work: (root: string) => Promise<T>,
): Promise<T> {
  if (tree.kind === "subvolume") return work(path.join(topLevel, tree.source));
  const runDirectory = host.path(DEFAULT_RUN_DIRECTORY);
  const own = (name: string) =>
    path.join(runDirectory, `${name}-${String(host.processId)}`);
  const at = own("tree");
  const layers = tree.layers.map(({ directory }) =>
    path.join(topLevel, directory),
  );
  return holdSignals(async () => {
    try {
      await mountOverlay(host, at, { layers }, own("layers"));
      return await work(at);
    } finally {
      while (isMountPoint(host, at)) await unmount(host, at);
      host.files.removeUnusedDirectory(runDirectory);
    }
  });
}

/** The directory that has the leaf layer's files, relative to the top level. */
export function leafOf(tree: StoredTree): string {
  if (tree.kind === "subvolume") return tree.source;
  return tree.layers[0]?.directory ?? "";
}
