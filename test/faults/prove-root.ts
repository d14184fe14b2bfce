import {
  compareListings,
  type TreeListing,
} from "../../fixtures/tree-listing.ts";
import {
  contentsOf,
  isAtOrBelow,
  type DiskInventory,
  type FoundSubvolume,
} from "./disk-inventory.ts";
import { describeBases } from "./judge-bases.ts";
import { withoutOwnRecord } from "../root/made-root.ts";

/** What a machine's roots must be. */
export interface RootExpectation {
  /** The rwlayer's path, without slashes. */
  readonly rwlayer: string;
  /** The image's tree with the top layer over it (overlayListing). */
  readonly root: TreeListing;
  /** The directory in a root in which the user writes, and nobody else; in the image it is empty. */
  readonly userDirectory: string;
}

const SHOWN_DIFFERENCES = 5;

/**
 * That a new root stands at the rwlayer's name, complete and as nobody has written to it yet, and no
 * staging.
 * @param uuid of the root that dockroot says it made; `undefined`: any
 * @returns what is wrong, in words; nothing where all is well
 */
export function proveFreshRoot(
  { subvolumes }: DiskInventory,
  { rwlayer, root }: RootExpectation,
  uuid?: string,
): string[] {
  const staging = stagingOf(rwlayer);
  const left = subvolumes.some(({ path }) => path === staging)
    ? [`${staging} is left over`]
    : [];
  const pathState = subvolumes.find(({ path }) => path === rwlayer);
  if (pathState === undefined) return [...left, `there is no ${rwlayer}`];
  const other =
    uuid === undefined || pathState.uuid === uuid
      ? []
      : [`${rwlayer} is ${pathState.uuid}, not the new root ${uuid}`];
  return [
    ...left,
    ...other,
    ...compare(
      rwlayer,
      withoutOwnRecord(pathState.tree),
      withoutOwnRecord(root),
    ),
  ];
}

/**
 * That nothing half-made stands at the rwlayer's name: nothing, or a root that was there `before`
 * and is unchanged, or a complete new one, whatever the user has written to it since.
 */
export function provePresentRoot(
  now: DiskInventory,
  { rwlayer, root, userDirectory }: RootExpectation,
  before: DiskInventory,
): string[] {
  const pathState = now.subvolumes.find(({ path }) => path === rwlayer);
  if (pathState === undefined) return [];
  const former = before.subvolumes.find(({ uuid }) => uuid === pathState.uuid);
  if (former !== undefined && !isAtOrBelow(former.path, stagingOf(rwlayer))) {
    return compare(rwlayer, pathState.tree, former.tree);
  }
  const withoutUser = (tree: TreeListing) =>
    Object.fromEntries(
      Object.entries(withoutOwnRecord(tree)).filter(
        ([name]) => !isAtOrBelow(name, userDirectory),
      ),
    );
  return compare(rwlayer, withoutUser(pathState.tree), withoutUser(root));
}

/**
 * That nothing which was there is lost: each subvolume is there with what was in it, whatever its
 * place, and so is what lies beside them. A staging may be gone, but not what a user wrote to it.
 */
export function proveNothingLost(
  before: DiskInventory,
  after: DiskInventory,
  { rwlayer, userDirectory }: RootExpectation,
): string[] {
  const staging = stagingOf(rwlayer);
  const contents = contentsOf(after);
  const lost = before.subvolumes.flatMap((former) =>
    isAtOrBelow(former.path, staging)
      ? userFilesOf(former, userDirectory)
          .filter(({ sha256 }) => !contents.has(sha256))
          .map(({ name }) => `the user's file ${former.path}/${name} is lost`)
      : proveSubvolumeKept(former, after),
  );
  return [
    ...lost,
    ...Object.entries(before.others).flatMap(([name, tree]) =>
      compare(name, after.others[name] ?? {}, tree),
    ),
  ];
}

/** That each root has one base at most, which has what the root had before init, and that there is no other one. */
export function proveBases(
  now: DiskInventory,
  { root }: RootExpectation,
  before: DiskInventory,
): string[] {
  const former = new Set(before.subvolumes.map(({ uuid }) => uuid));
  return describeBases(now.subvolumes, root, former);
}

/** Where dockroot makes the next root. */
export function stagingOf(rwlayer: string): string {
  return `.dockroot/${rwlayer}/staging`;
}

function proveSubvolumeKept(
  { path, uuid, tree }: FoundSubvolume,
  { subvolumes }: DiskInventory,
): string[] {
  const found = subvolumes.find((subvolume) => subvolume.uuid === uuid);
  return found === undefined
    ? [`the subvolume ${path} (${uuid}) is lost`]
    : compare(`${path}, now ${found.path},`, found.tree, tree);
}

function userFilesOf(
  { tree }: FoundSubvolume,
  userDirectory: string,
): { name: string; sha256: string }[] {
  return Object.entries(tree).flatMap(([name, { sha256, size = 0 }]) =>
    isAtOrBelow(name, userDirectory) && sha256 !== undefined && size > 0
      ? [{ name, sha256 }]
      : [],
  );
}

function compare(
  what: string,
  actual: TreeListing,
  expected: TreeListing,
): string[] {
  const differences = compareListings(actual, expected);
  if (differences.length === 0) return [];
  const shown = differences.slice(0, SHOWN_DIFFERENCES).join("; ");
  const more = differences.length - SHOWN_DIFFERENCES;
  return [
    `${what} differs: ${shown}${more > 0 ? `; and ${String(more)} more` : ""}`,
  ];
}
