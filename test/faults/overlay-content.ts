import fs from "node:fs";
import path from "node:path";
import {
  listTree,
  type TreeEntry,
  type TreeListing,
} from "../../fixtures/tree-listing.ts";
import { parseState } from "../../runtime/records/rwlayer-state.ts";
import type { DiskContent, SubvolumeContent } from "./disk-content.ts";

const LAYERS = ".dockroot/layers";

/** What overlayfs gives each root anew: the first names the inode of a lower file. */
const OF_ONE_ROOT = ["trusted.overlay.origin", "trusted.overlay.uuid"];

/**
 * Reads a disk whose roots are overlays. Each is one of the subvolumes, with what was written to it below `upper` and
 * with the layers that it is made of; so is what a user keeps in dockroot's own directory.
 */
export function readOverlayContent(topLevel: string): DiskContent {
  const all = listTree(topLevel);
  const subvolumes: SubvolumeContent[] = [];
  for (const file of Object.keys(all)) {
    const [, root] = /^(.*)\/root\.json$/.exec(file) ?? [];
    const [, mine] = /^(\.dockroot\/.*)\/precious$/.exec(file) ?? [];
    if (mine !== undefined && !/\/(?:upper|layers)\//.test(mine)) {
      const tree = { ...below(all, mine), "": without(all[mine]) };
      subvolumes.push({ path: mine, uuid: `mine at ${mine}`, tree });
    }
    if (root === undefined || /\/(?:upper|work|layers|trash)\//.test(file)) {
      continue;
    }
    const record = readRecord(path.join(topLevel, file));
    if (record === undefined) continue;
    const tree: Record<string, TreeEntry> = {};
    const add = (place: string, at: string) => {
      const entries = Object.entries(below(all, place));
      for (const [name, entry] of entries) tree[path.join(at, name)] = entry;
    };
    add(`${root}/upper`, "upper");
    for (const [index, key] of (record.layers ?? []).entries()) {
      add(`${LAYERS}/${key}`, `layers/${String(index)}`);
    }
    subvolumes.push({ path: root, uuid: record.uuid, tree });
  }
  const roots = subvolumes.map((root) => root.path);
  const rest = Object.entries(all).filter(
    ([name]) =>
      !/^(?:\.dockroot(?:\/|$)|$)/.test(name) &&
      !roots.some((root) => name === root || name.startsWith(`${root}/`)),
  );
  return {
    subvolumes,
    rest: Object.fromEntries(
      rest.map(([name, entry]) => [name, ownNames(entry, () => [])]),
    ),
  };
}

function readRecord(file: string) {
  try {
    return parseState(fs.readFileSync(file, "utf8")).subvolumes[0];
  } catch {
    return undefined;
  }
}

/** A directory's tree; files that have names elsewhere, too, are told by those within it. */
function below(all: TreeListing, directory: string): TreeListing {
  const prefix = `${directory}/`;
  return Object.fromEntries(
    Object.entries(all)
      .filter(([name]) => name === directory || name.startsWith(prefix))
      .map(([name, { xattrs, ...entry }]) => {
        const kept = Object.entries(xattrs ?? {}).filter(
          ([xattr]) => !OF_ONE_ROOT.includes(xattr),
        );
        const isWhiteout = entry.kind === "char" && entry.device === "0";
        const plain = {
          ...entry,
          ...(isWhiteout && { mtime: "" }),
          ...(kept.length > 0 && { xattrs: Object.fromEntries(kept) }),
        };
        const names = (given: readonly string[]) =>
          given
            .filter((other) => other.startsWith(prefix))
            .map((other) => other.slice(prefix.length));
        return [name.slice(prefix.length), ownNames(plain, names)];
      }),
  );
}

function ownNames(
  { names, ...entry }: TreeEntry,
  select: (names: readonly string[]) => readonly string[],
): TreeEntry {
  const own = select(names ?? []);
  return own.length < 2 ? entry : { ...entry, names: own };
}

/** A directory in which dockroot makes others. */
function without(entry: TreeEntry | undefined): TreeEntry {
  if (entry === undefined) throw new Error("there is no such directory");
  return { ...entry, mtime: "" };
}
