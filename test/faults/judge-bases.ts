import type { TreeListing } from "../../fixtures/tree-listing.ts";
import { withoutOwnRecord } from "../root/made-root.ts";
import { describeChange, timeless } from "./disk-content.ts";

/** A subvolume, as both kinds of listings have it. */
export interface KnownSubvolume {
  /** Relative to the top level. */
  readonly path: string;
  readonly uuid: string;
  /** What it is a snapshot of; `undefined` where that is nothing, or it is no subvolume. */
  readonly parentUuid?: string | undefined;
  readonly tree: TreeListing;
}

/** A root's base has the number of the root's boot for a name. */
const BASE = /^\.dockroot\/[^/]+\/bases\/[1-9]\d*$/;

/** The root of which this is the base. */
export function rootOfBase(
  subvolumes: readonly KnownSubvolume[],
  file: string,
): KnownSubvolume | undefined {
  if (!BASE.test(file)) return undefined;
  const base = subvolumes.find(({ path }) => path === file);
  return subvolumes.find(({ uuid }) => uuid === base?.parentUuid);
}

/**
 * Whether each base is that of a root, of which there is no other one, and has what the root had before init: at any
 * moment, since a base goes before its root does.
 * @param root what a new root has
 * @param former the UUIDs of those that were there before, of other roots
 * @returns what is wrong, in words
 */
export function describeBases(
  subvolumes: readonly KnownSubvolume[],
  root: TreeListing | undefined,
  former: ReadonlySet<string>,
): string[] {
  const bases = subvolumes.filter(({ path }) => BASE.test(path));
  return bases.flatMap(({ path, uuid, parentUuid, tree }) => {
    const isDoubled = bases.some(
      (other) => other.uuid !== uuid && other.parentUuid === parentUuid,
    );
    return [
      ...(rootOfBase(subvolumes, path) === undefined
        ? [`${path} is the base of no root`]
        : []),
      ...(isDoubled ? [`the root of ${path} has another base, too`] : []),
      ...(former.has(uuid) || root === undefined
        ? []
        : describeChange(path, comparable(tree), comparable(root))),
    ];
  });
}

/** Whether a root has its base: one that a `finish` has had time and room for. */
export function describeMissingBase(
  subvolumes: readonly KnownSubvolume[],
  uuid: string | undefined,
): string[] {
  const isThere = subvolumes.some(
    ({ path, parentUuid }) => BASE.test(path) && parentUuid === uuid,
  );
  return isThere ? [] : [`the root ${String(uuid)} has no base`];
}

/** A snapshot has a directory in the place of what is nested, whose tree is told apart of the root's. */
function comparable(tree: TreeListing): TreeListing {
  return Object.fromEntries(
    Object.entries(withoutOwnRecord(timeless(tree))).filter(
      ([, { kind }]) => kind !== "gap of a subvolume",
    ),
  );
}
