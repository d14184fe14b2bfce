import path from "node:path";
import { listNames } from "../../base/shorten.ts";
import { asFailureOf, summarizeFailure } from "../../base/failure.ts";
import { goesWithRoot, type FormerRoot } from "../../plan/choose-removals.ts";
import {
  withoutRecord,
  withRecord,
  type RwlayerState,
} from "../../records/rwlayer-state.ts";
import { removeOwnRecord } from "../own-record.ts";
import {
  deleteFoundTree,
  findTree,
  type NestedSubvolume,
  type SubvolumeTree,
} from "../subvolume-tree.ts";
import { MAX_NAMED, type GarbageContext } from "./former-roots.ts";
import { findUse } from "./in-use.ts";

/** Init waits for this: what is not removed in that time is left for the next boot. */
const MAX_REMOVAL_MS = 15_000;

/** A former root that is to go. */
interface UnwantedRoot extends FormerRoot {
  /** Whether init may have had it: then its user's own subvolumes keep it. */
  readonly wasRoot: boolean;
}

/**
 * Removes those that nobody uses, one after the other, for as long as init can wait. What stays is
 * warned of.
 * @returns the state without those that are gone
 */
export async function removeRoots(
  context: GarbageContext,
  state: RwlayerState,
  roots: readonly UnwantedRoot[],
): Promise<RwlayerState> {
  const { host } = context.disk;
  const end = host.nowMs() + MAX_REMOVAL_MS;
  const isLate = () => host.nowMs() >= end;
  let present = state;
  for (const [index, root] of roots.entries()) {
    if (isLate()) {
      host.log.warn(
        `${String(roots.length - index)} former roots are left for the next boot: to remove them takes long`,
      );
      break;
    }
    try {
      const tree = await findRemovable(context, root, isLate);
      if (tree === undefined) continue;
      present = await removeTree(context, present, root, tree, isLate);
      host.log.info(`removed ${root.file}`);
    } catch (error) {
      host.log.warn(
        summarizeFailure(asFailureOf(`remove ${root.file}`, error)),
      );
    }
  }
  return present;
}

/** `undefined` where it stays, and that is said. */
async function findRemovable(
  context: GarbageContext,
  { file, record, wasRoot }: UnwantedRoot,
  isLate: () => boolean,
): Promise<SubvolumeTree | undefined> {
  const { disk, mounts, list } = context;
  const use = findUse(disk, mounts, file, record);
  if (use !== undefined) {
    disk.host.log.warn(`${file} is ${use} and is kept`);
    return undefined;
  }
  const tree = await findTree(disk, file, list, isLate);
  if (!wasRoot) return tree;
  const own = tree.nested
    .filter((nested) => isUsersOwn(context, file, nested))
    .map((nested) => nested.path.toString());
  if (own.length === 0) return tree;
  const [what, them] =
    own.length === 1 ? ["subvolume", "it"] : ["subvolumes", "them"];
  disk.host.log.warn(
    `${file} is kept: dockroot did not make the ${what} ${listNames(own, MAX_NAMED)} in it. Move or delete ${them}, with the filesystem mounted with -o subvolid=5`,
  );
  return undefined;
}

async function removeTree(
  { disk }: GarbageContext,
  state: RwlayerState,
  { file, record }: UnwantedRoot,
  tree: SubvolumeTree,
  isLate: () => boolean,
): Promise<RwlayerState> {
  // One without others in it goes at once, or not: also where a full disk takes no state.
  if (tree.nested.length > 0) {
    // First of all: what is deleted in part must never stand in for a root.
    if (record.complete) {
      disk.writeState(withRecord(state, { ...record, complete: false }));
    }
    removeOwnRecord(disk, file);
  }
  await deleteFoundTree(disk, tree, isLate);
  return withoutRecord(state, record.uuid);
}

/** An empty one, and one that was carried over, hold nothing. */
function isUsersOwn(
  context: GarbageContext,
  root: string,
  { path: nested }: NestedSubvolume,
): boolean {
  const { disk } = context;
  const file = nested.toString();
  const inRoot = file.slice(root.length + 1);
  if (goesWithRoot(inRoot)) return false;
  if (file.includes("\uFFFD")) return true;
  return (
    !isCarriedOver(context, file, inRoot) &&
    disk.host.files.namesIn(disk.at(file)).length > 0
  );
}

/** Whether another root of ours has in its place a snapshot of all that is in it. */
function isCarriedOver(
  { disk, list }: GarbageContext,
  file: string,
  inRoot: string,
): boolean {
  const own = list.at(file);
  if (own === undefined) return false;
  const { rwlayer, generations } = disk.paths;
  const roots = disk.generationNames().map((name) => `${generations}/${name}`);
  return [rwlayer, ...roots].some((root) => {
    const successor = path.join(root, inRoot);
    const found = list.at(successor);
    return (
      found?.parentUuid === own.uuid &&
      own.lastChange <= found.madeBy &&
      disk.hasSubvolume(successor)
    );
  });
}
