import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { listTree, type TreeListing } from "../../fixtures/tree-listing.ts";
import { listSubvolumes } from "./disk-content.ts";

/** All that is visible on a disk, but for the image store. */
export interface DiskInventory {
  readonly subvolumes: readonly FoundSubvolume[];
  /** What lies beside the subvolumes on the top level: name to tree. dockroot's own is left out. */
  readonly others: Readonly<Record<string, TreeListing>>;
}

export interface FoundSubvolume {
  /** Relative to the top level. */
  readonly path: string;
  readonly uuid: string;
  /** What it is a snapshot of. */
  readonly parentUuid?: string | undefined;
  /** With what is nested in it. */
  readonly tree: TreeListing;
}

const DOCKROOT = ".dockroot";

/**
 * Lists what is on a disk whose subvolumes have plain names.
 * @param topLevel where the top level is mounted
 * @param store the image store's directory, which is left out
 * @throws Error where something cannot be read
 */
export async function takeInventory(
  topLevel: string,
  store = "docker",
): Promise<DiskInventory> {
  const subvolumes = (await listSubvolumes(topLevel))
    .filter(({ path: file }) => !isAtOrBelow(file, store))
    // What is nested is listed with what it is nested in.
    .toSorted((one, other) => one.path.length - other.path.length);
  const found: FoundSubvolume[] = [];
  for (const subvolume of subvolumes) {
    const parent = found.find(({ path: file }) =>
      isAtOrBelow(subvolume.path, file),
    );
    const tree =
      parent === undefined
        ? listTree(path.join(topLevel, subvolume.path))
        : subtree(parent.tree, path.relative(parent.path, subvolume.path));
    found.push({ ...subvolume, tree });
  }
  const places = new Set(subvolumes.map(({ path: file }) => file));
  const others = fs
    .readdirSync(topLevel)
    .filter((name) => name !== DOCKROOT && name !== store && !places.has(name));
  return {
    subvolumes: found,
    others: Object.fromEntries(
      others.map((name) => [name, listTree(path.join(topLevel, name))]),
    ),
  };
}

function subtree(tree: TreeListing, directory: string): TreeListing {
  const relative = (name: string) => name.slice(directory.length + 1);
  return Object.fromEntries(
    Object.entries(tree)
      .filter(([name]) => isAtOrBelow(name, directory))
      .map(([name, { names, ...entry }]) => [
        relative(name),
        names === undefined ? entry : { ...entry, names: names.map(relative) },
      ]),
  );
}

export function isAtOrBelow(file: string, directory: string): boolean {
  return file === directory || file.startsWith(`${directory}/`);
}

/** The sha256 of each file's content that is in one of the subvolumes. */
export function contentsOf(inventory: DiskInventory): ReadonlySet<string> {
  return new Set(
    inventory.subvolumes.flatMap(({ tree }) =>
      Object.values(tree).flatMap(({ sha256 }) => sha256 ?? []),
    ),
  );
}

export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
