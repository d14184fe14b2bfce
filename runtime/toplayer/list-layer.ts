import { createHash } from "node:crypto";
import type { TreeEntry } from "../host/files.ts";
import type { Host } from "../host/host.ts";
import type { LayerEntry, ListedLayer } from "./layer.ts";
import type { TopLayerRecord } from "./record.ts";
import { parseWhiteout } from "./whiteout.ts";

interface OpenEntry extends LayerEntry {
  readonly children: OpenEntry[];
  isPlain: boolean;
}

/** A directory of a top layer, and whether its filesystem keeps owners and modes. */
export type LayerPlace = Pick<ListedLayer, "at" | "isOwnerless">;

/**
 * Lists the directories of a top layer, in order.
 * @param name how the user calls all of them
 */
export function listLayers(
  host: Host,
  places: readonly LayerPlace[],
  name: string,
): { layers: ListedLayer[]; record: TopLayerRecord } {
  const hash = createHash("sha256");
  const counts = { files: 0, directories: 0, symlinks: 0, others: 0, bytes: 0 };
  const layers = places.map(({ at, isOwnerless }) => {
    const root = openEntry("", { kind: "directory" });
    const directories = new Map([["", [root]]]);
    let entryCount = 0;
    for (const found of host.files.walkTree(at)) {
      hash.update(found.path).update(`\0${found.fingerprint}\n`);
      entryCount += 1;
      if (found.kind === "file") {
        counts.files += 1;
        counts.bytes += found.sizeBytes;
      } else if (found.kind === "directory") counts.directories += 1;
      else if (found.kind === "symlink") counts.symlinks += 1;
      else counts.others += 1;
      addEntry(directories, found);
    }
    // Two layers are not the one that holds what both hold.
    hash.update("\0\n");
    return { at, root, entryCount, isOwnerless };
  });
  return { layers, record: { name, digest: hash.digest("hex"), ...counts } };
}

/** @param directories the path of each directory to itself, after all that it is in */
function addEntry(
  directories: Map<string, OpenEntry[]>,
  found: TreeEntry,
): void {
  const { path, kind } = found;
  const file = path.toString("latin1");
  const slash = file.lastIndexOf("/");
  const ancestors = directories.get(file.slice(0, Math.max(slash, 0)));
  const parent = ancestors?.at(-1);
  if (ancestors === undefined || parent === undefined) {
    throw new Error(`the directory of ${file} was not listed`);
  }
  const entry = openEntry(file.slice(slash + 1), found);
  parent.children.push(entry);
  if (kind === "directory") directories.set(file, [...ancestors, entry]);
  if (kind === "socket" || parseWhiteout(entry.name) !== undefined) {
    for (const ancestor of [...ancestors, entry]) ancestor.isPlain = false;
  }
}

function openEntry(
  name: string,
  {
    kind,
    inode,
    target,
  }: Pick<TreeEntry, "kind"> & Partial<Pick<TreeEntry, "inode" | "target">>,
): OpenEntry {
  return { name, kind, inode, target, children: [], isPlain: true };
}
