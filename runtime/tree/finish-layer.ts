import { requireNameable } from "./cp-arguments.ts";
import type { DirectoryPair } from "./merge-plan.ts";
import type { Merging } from "./merging.ts";

/** Plans what must be done when all of a layer is copied. @throws BootError TOPLAYER_UNSUITABLE */
export function finishLayer({
  layer,
  tree,
  actions,
  names,
  origins,
  unfinished,
  modes,
}: Merging): void {
  for (const known of names.values()) {
    // A name may have been taken by another entry since, through a link of the tree.
    const standing = known.filter(({ entry, path }) => tree.at(path) === entry);
    const [first, ...others] = standing;
    if (first === undefined) continue;
    for (const { path, call, parent } of others) {
      if (call === first.call || path === first.path) continue;
      actions.push({ kind: "link", existing: first.path, path });
      unfinished.add(parent);
    }
  }
  const ofLayer = modes
    .filter(({ entry, path }) => tree.at(path) === entry)
    .map(({ path, mode }) => ({ path, mode }));
  if (ofLayer.length > 0) actions.push({ kind: "giveToRoot", modes: ofLayer });
  if (layer.isOwnerless) return;
  const directories = [...unfinished].flatMap((to): DirectoryPair[] => {
    const from = origins.get(to);
    // The root keeps its own attributes.
    if (to === "" || from === undefined) return [];
    requireNameable(from, "the top layer");
    requireNameable(to, "the image");
    return tree.at(to)?.kind === "directory" ? [{ from, to }] : [];
  });
  if (directories.length === 0) return;
  actions.push({ kind: "copyAttributes", layer, directories });
}
