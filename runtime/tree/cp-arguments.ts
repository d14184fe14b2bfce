import { BootError } from "../base/errors.ts";
import { pathIn, showPath, type LayerEntry } from "./layer.ts";
import type { DirectoryPair } from "./merge-plan.ts";
import type { Merging } from "./merging.ts";

/**
 * The names of one call of cp, with what the kernel needs for each: far below what it takes at least,
 * see execve(2).
 */
const MAX_ARGUMENT_BYTES = 96 * 1024;

const ARGUMENT_OVERHEAD_BYTES = 9;

/**
 * The entries of a directory in as many lists as cp must be called for.
 * @param from the directory's path in the layer
 * @throws BootError TOPLAYER_UNSUITABLE
 */
export function batchesOf(
  entries: readonly LayerEntry[],
  from: string,
): LayerEntry[][] {
  for (const { name } of entries) {
    requireNameable(pathIn(from, name), "the top layer");
  }
  const batches: LayerEntry[][] = [];
  let room = 0;
  for (const entry of entries) {
    const bytes = entry.name.length + ARGUMENT_OVERHEAD_BYTES;
    if (bytes > room) {
      batches.push([]);
      room = MAX_ARGUMENT_BYTES;
    }
    room -= bytes;
    batches.at(-1)?.push(entry);
  }
  return batches;
}

/** Arguments of a program are UTF-8 here. @throws BootError TOPLAYER_UNSUITABLE */
export function requireNameable(file: string, whose: string): void {
  const bytes = Buffer.from(file, "latin1");
  if (bytes.equals(Buffer.from(bytes.toString("utf8")))) return;
  throw new BootError(
    "TOPLAYER_UNSUITABLE",
    `${whose} has ${showPath(file)}, a name that is not valid UTF-8`,
    { hint: "Rename it." },
  );
}

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
    const pathState = known.filter(
      ({ entry, path }) => tree.at(path) === entry,
    );
    const [first, ...others] = pathState;
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
