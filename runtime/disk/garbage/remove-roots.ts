import path from "node:path";
import { asFailureOf, summarizeFailure } from "../../base/failure.ts";
import { listNames } from "../../base/shorten.ts";
import { goesWithRoot, type FormerRoot } from "../../plan/choose-removals.ts";
import { withoutRecord, withRecord } from "../../records/rwlayer-state.ts";
import { findUse } from "../mounts.ts";
import { deleteTree, findTree, type SubvolumeTree } from "../subvolumes.ts";
import { removeBase } from "./bases.ts";
import type { GarbageContext } from "./collect-garbage.ts";

/** Init waits for this: what is not removed in that time is left for the next boot. */
const MAX_REMOVAL_MS = 15_000;

/** So many names make a line that can still be read. */
export const MAX_NAMED = 3;

/**
 * Removes those that nobody uses, one after the other, for as long as init can wait, and their records
 * from the state. What stays is warned of.
 */
export async function removeRoots(
  context: GarbageContext,
  roots: readonly FormerRoot[],
): Promise<void> {
  const { host } = context.disk;
  const end = host.nowMs() + MAX_REMOVAL_MS;
  const isLate = () => host.nowMs() >= end;
  for (const [index, root] of roots.entries()) {
    if (isLate()) {
      host.log.warn(
        `${String(roots.length - index)} earlier roots are left for the next boot: removing them takes too long`,
      );
      return;
    }
    try {
      const tree = await findRemovable(context, root, isLate);
      if (tree === undefined) continue;
      await removeTree(context, root, tree, isLate);
      host.log.info(`removed ${root.file}`);
    } catch (error) {
      host.log.warn(
        summarizeFailure(asFailureOf(`remove ${root.file}`, error)),
      );
    }
  }
}

/** `undefined` where it stays, and that is said. */
async function findRemovable(
  context: GarbageContext,
  { file, record }: FormerRoot,
  isLate: () => boolean,
): Promise<SubvolumeTree | undefined> {
  const { disk, mounts, list } = context;
  const use = findUse(disk, mounts, file, record);
  if (use !== undefined) {
    disk.host.log.warn(`${file} is ${use} and is kept`);
    return undefined;
  }
  const tree = await findTree(disk, file, list, isLate);
  // Init never had it.
  if (file === disk.paths.staging) return tree;
  const own = tree.nested
    .map((nested) => nested.path.toString())
    .filter((nested) => isUsersOwn(context, file, nested));
  if (own.length === 0) return tree;
  const [what, them] =
    own.length === 1 ? ["subvolume", "it"] : ["subvolumes", "them"];
  disk.host.log.warn(
    `${file} is kept: dockroot did not make the ${what} ${listNames(own, MAX_NAMED)} in it. Move or delete ${them}, with the filesystem mounted with -o subvolid=5`,
  );
  return undefined;
}

async function removeTree(
  context: GarbageContext,
  { file, record }: FormerRoot,
  tree: SubvolumeTree,
  isLate: () => boolean,
): Promise<void> {
  const { disk } = context;
  // The root's record proves that it is ours.
  await removeBase(context, record);
  // One without others in it goes at once, or not: also where a full disk takes no state.
  if (tree.nested.length > 0) {
    // First of all: what is deleted in part must never stand in for a root.
    if (record.complete) {
      const marked = withRecord(context.state, { ...record, complete: false });
      disk.writeState(marked);
      context.state = marked;
    }
    disk.removeOwnRecord(file);
  }
  await deleteTree(disk, tree, isLate);
  context.state = withoutRecord(context.state, record.uuid);
}

/** Whether it holds anything that dockroot did not make, and that was not carried over. */
function isUsersOwn(
  context: GarbageContext,
  root: string,
  file: string,
): boolean {
  const { disk } = context;
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
