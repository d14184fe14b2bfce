import type { Hash } from "node:crypto";
import type { ListedEntry } from "../host/files.ts";
import type { Host } from "../host/host.ts";
import {
  countedAs,
  pathIn,
  type LayerEntry,
  type ListedLayer,
  parseWhiteout,
} from "../tree/layer.ts";
import { createSha256 } from "../base/sha256.ts";
import type { TopLayerRecord } from "../records/rwlayer-state.ts";

interface OpenEntry extends LayerEntry {
  children: readonly OpenEntry[];
  isPlain: boolean;
}

type Counts = {
  -readonly [key in keyof Omit<TopLayerRecord, "name" | "digest">]: number;
};

/** A directory of a top layer, and whether its filesystem keeps owners and modes. */
type LayerPlace = Pick<ListedLayer, "at" | "isOwnerless">;

/** One for all that have none: there may be many. */
const NONE: readonly OpenEntry[] = [];

/** Work of this length does not keep others, as what tells of slow steps, from their turn. */
const TURN_MS = 50;

/**
 * Lists the directories of a top layer, in order.
 * @param name how the user calls all of them
 * @param tellProgress gets what tells how far it is
 */
export async function listLayers(
  host: Host,
  places: readonly LayerPlace[],
  name: string,
  tellProgress: (describe: () => string) => void = () => undefined,
): Promise<{ layers: ListedLayer[]; record: TopLayerRecord }> {
  const hash = createSha256();
  const counts = { files: 0, directories: 0, symlinks: 0, others: 0, bytes: 0 };
  tellProgress(() => `${String(counts.files)} files so far`);
  const layers: ListedLayer[] = [];
  for (const { at, isOwnerless } of places) {
    const { root, entryCount } = await listLayer(host, at, hash, counts);
    // Two layers are not the one that holds what both hold.
    hash.update("\0\n");
    layers.push({ at, root, entryCount, isOwnerless });
  }
  return { layers, record: { name, digest: hash.digest("hex"), ...counts } };
}

async function listLayer(
  host: Host,
  at: string,
  hash: Hash,
  counts: Counts,
): Promise<{ root: LayerEntry; entryCount: number }> {
  const root = openEntry({ name: "", kind: "directory" });
  const directories = new Map([["", root]]);
  let entryCount = 0;
  let turnEnds = host.nowMs() + TURN_MS;
  for (const { path, entries } of host.files.walkTree(at)) {
    const directory = directories.get(path);
    if (directory === undefined) throw new Error(`${path} was not listed`);
    directories.delete(path);
    directory.children = entries.map(openEntry);
    entryCount += entries.length;
    let text = `${path}\0`;
    for (const [index, { name, fingerprint, target }] of entries.entries()) {
      text += `${name}\0${fingerprint} ${target ?? ""}\0`;
      const child = directory.children[index];
      if (child?.kind === "directory") {
        directories.set(pathIn(path, name), child);
      }
    }
    hash.update(`${text}\n`, "latin1");
    for (const { kind, sizeBytes } of entries) {
      counts[countedAs(kind)] += 1;
      if (kind === "file") counts.bytes += sizeBytes;
    }
    if (host.nowMs() > turnEnds) {
      await host.sleep(0);
      turnEnds = host.nowMs() + TURN_MS;
    }
  }
  markPlain(root);
  return { root, entryCount };
}

function openEntry({
  name,
  kind,
  inode,
  target,
  hasSpecialBits = false,
}: Pick<ListedEntry, "name" | "kind"> & Partial<ListedEntry>): OpenEntry {
  const read = { name, kind, inode, target, hasSpecialBits };
  return { ...read, children: NONE, isPlain: true };
}

function markPlain(entry: OpenEntry): void {
  entry.children.forEach(markPlain);
  entry.isPlain =
    entry.kind !== "socket" &&
    entry.kind !== "overlay-whiteout" &&
    parseWhiteout(entry.name) === undefined &&
    entry.children.every(({ isPlain }) => isPlain);
}
