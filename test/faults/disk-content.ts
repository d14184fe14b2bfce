import fs from "node:fs";
import path from "node:path";
import { run } from "../../fixtures/run.ts";
import {
  compareListings,
  listTree,
  type TreeEntry,
  type TreeListing,
} from "../../fixtures/tree-listing.ts";
import { lookAt, type BootDisk } from "../root/boot-disk.ts";
import { withoutOwnRecord } from "../root/made-root.ts";
import { readOverlayContent } from "./overlay-content.ts";

/** See statfs(2). */
const BTRFS_MAGIC = 0x9123683e;

/** All that is on a disk, told apart by subvolume. */
export interface DiskContent {
  readonly subvolumes: readonly SubvolumeContent[];
  /** What is on the top level itself, dockroot's own files left out. */
  readonly rest: TreeListing;
}

export interface SubvolumeContent {
  /** Relative to the top level. */
  readonly path: string;
  readonly uuid: string;
  /** What it is a snapshot of; `undefined` where that is nothing, or it is no subvolume. */
  readonly parentUuid?: string | undefined;
  /** Without what is nested in it. The root's own times are left out: renaming changes them. */
  readonly tree: TreeListing;
}

/** The options that mount all of a disk. */
export function wholeOf(fsType: BootDisk["fsType"]): string[] {
  return [fsType === "btrfs" ? "subvolid=5" : "noatime"];
}

/** Reads a disk that has a loop device and is not mounted. */
export function lookAtContent(
  disk: string,
  fsType: BootDisk["fsType"] = "btrfs",
): Promise<DiskContent> {
  return lookAt(disk, readContent, [...wholeOf(fsType), "ro"]);
}

export function isBtrfs(directory: string): boolean {
  return fs.statfsSync(directory).type === BTRFS_MAGIC;
}

/** Reads a disk whose subvolumes, or roots, have plain names. */
export async function readContent(topLevel: string): Promise<DiskContent> {
  if (!isBtrfs(topLevel)) return readOverlayContent(topLevel);
  const found = (await listSubvolumes(topLevel)).map((subvolume) => ({
    ...subvolume,
    tree: {} as Record<string, TreeEntry>,
  }));
  const places = new Map(found.map((each) => [each.path, each]));
  const rest: Record<string, TreeEntry> = {};
  for (const [name, entry] of Object.entries(listTree(topLevel))) {
    let owner = name;
    while (owner !== "" && !places.has(owner)) owner = parentOf(owner);
    const subvolume = places.get(owner);
    if (subvolume !== undefined) {
      const relative = name.slice(owner.length + 1);
      const names = entry.names?.map((each) => each.slice(owner.length + 1));
      subvolume.tree[relative] = {
        ...entry,
        ...(names !== undefined && { names }),
        ...(relative === "" && { mtime: "" }),
      };
    } else if (!/^(?:\.dockroot(?:\/|$)|$)/.test(name)) rest[name] = entry;
  }
  return { subvolumes: found, rest };
}

/** The subvolumes of a disk on which they have plain names. */
export async function listSubvolumes(
  topLevel: string,
): Promise<Omit<SubvolumeContent, "tree">[]> {
  const list = await run(["btrfs", "subvolume", "list", "-u", "-q", topLevel]);
  const line =
    /^ID \d+ gen \d+ top level \d+ parent_uuid (\S+) +uuid (\S+) path (.+)$/gm;
  return Array.from(
    list.matchAll(line),
    ([, parent, uuid = "", file = ""]) => ({
      ...{ uuid, path: file },
      parentUuid: parent === "-" ? undefined : parent,
    }),
  );
}

function parentOf(file: string): string {
  const parent = path.dirname(file);
  return parent === "." ? "" : parent;
}

export function subvolumeAt(
  { subvolumes }: DiskContent,
  place: string,
): SubvolumeContent | undefined {
  return subvolumes.find(({ path: file }) => file === place);
}

/**
 * What of `before` is no longer as it was, wherever it stands now; in words, nothing where all is
 * there.
 * @param mayGo whether the subvolume at this path need not be there any more; where it is, it has all
 *   that was in it, but for what was nested and for its own record, which goes first
 */
export function describeLosses(
  before: DiskContent,
  after: DiskContent,
  mayGo: (file: string) => boolean,
): string[] {
  return [
    ...before.subvolumes.flatMap(({ path: file, uuid, tree }) => {
      const now = after.subvolumes.find((other) => other.uuid === uuid);
      if (now === undefined) {
        return mayGo(file) ? [] : [`the subvolume ${file} is lost`];
      }
      return mayGo(file)
        ? describeChange(
            file,
            timeless(withoutOwnRecord(now.tree)),
            timeless(withoutOwnRecord(tree)),
          )
        : describeChange(file, now.tree, tree);
    }),
    ...describeChange("the top level", after.rest, before.rest),
  ];
}

/** Without the times of directories: those in which nested subvolumes come and go change. */
export function timeless(tree: TreeListing): TreeListing {
  return Object.fromEntries(
    Object.entries(tree).map(([name, entry]) => [
      name,
      entry.kind === "directory" ? { ...entry, mtime: "" } : entry,
    ]),
  );
}

export function describeChange(
  what: string,
  actual: TreeListing,
  expected: TreeListing,
): string[] {
  const differences = compareListings(actual, expected);
  return differences.length === 0
    ? []
    : [`${what} has changed: ${differences.slice(0, 3).join("; ")}`];
}
