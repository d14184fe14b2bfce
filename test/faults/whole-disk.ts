import { run } from "../../fixtures/run.ts";
import {
  compareListings,
  listTree,
  type TreeListing,
} from "../../fixtures/tree-listing.ts";
import { isBtrfs } from "./disk-content.ts";
import { readOverlayContent } from "./overlay-content.ts";

/** All that is on a disk, at its place; dockroot's own is among it. */
export interface WholeDisk {
  readonly tree: TreeListing;
  /** Path to UUID. */
  readonly subvolumes: Readonly<Record<string, string>>;
}

/** What a boot may change. */
export interface Licence {
  /** Whether what stands at this path may go, come, or be another. */
  readonly isFree: (file: string) => boolean;
  /** Directories with names that may come and go: that changes their times. */
  readonly directories: readonly string[];
}

/** Reads a disk whose subvolumes, or roots, have plain names. */
export async function readWholeDisk(topLevel: string): Promise<WholeDisk> {
  return {
    tree: listTree(topLevel),
    subvolumes: isBtrfs(topLevel)
      ? await listSubvolumes(topLevel)
      : listRoots(topLevel),
  };
}

async function listSubvolumes(
  topLevel: string,
): Promise<WholeDisk["subvolumes"]> {
  const list = await run(["btrfs", "subvolume", "list", "-u", topLevel]);
  return Object.fromEntries(
    Array.from(
      list.matchAll(/^ID \d+ gen \d+ top level \d+ uuid (\S+) path (.+)$/gm),
      ([, uuid = "", file = ""]) => [file, uuid],
    ),
  );
}

function listRoots(topLevel: string): WholeDisk["subvolumes"] {
  const { subvolumes } = readOverlayContent(topLevel);
  return Object.fromEntries(
    subvolumes.map(({ path: file, uuid }) => [file, uuid]),
  );
}

/** What has changed without a licence, in words; nothing where all is at its place as it was. */
export function describeChanges(
  before: WholeDisk,
  after: WholeDisk,
  { isFree, directories }: Licence,
): string[] {
  const bound = <T>(entries: Readonly<Record<string, T>>) =>
    Object.entries(entries).filter(([file]) => !isFree(file));
  const tree = (disk: WholeDisk): TreeListing =>
    Object.fromEntries(
      bound(disk.tree).map(([file, entry]) => [
        file,
        directories.includes(file) ? { ...entry, mtime: "" } : entry,
      ]),
    );
  return [
    ...bound(before.subvolumes)
      .filter(([file, uuid]) => after.subvolumes[file] !== uuid)
      .map(([file]) => `the subvolume ${file} is not at its place`),
    ...compareListings(tree(after), tree(before)),
  ];
}
