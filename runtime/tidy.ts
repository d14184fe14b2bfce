import path from "node:path";
import { isSubvolume, ODD_BTRFS, readSubvolume } from "./btrfs.ts";
import {
  chooseRemovals,
  goesWithRoot,
  wasUsed,
  type FormerRoot,
} from "./choose-removals.ts";
import { asFailureOf, summarizeFailure } from "./failure.ts";
import { BootError } from "./host/errors.ts";
import type { Host } from "./host/host.ts";
import { findUse } from "./in-use.ts";
import { readBootId } from "./machine.ts";
import { findMountOf, readMountsOf, type SubvolumeMount } from "./mounts.ts";
import { readOwnRecord, removeOwnRecord } from "./own-record.ts";
import type { FinishedBoot } from "./parse-finished-boot.ts";
import {
  describeAdopted,
  findRecord,
  generationNumbers,
  rwlayerPaths,
  withRecord,
  type RwlayerPaths,
  type RwlayerState,
} from "./rwlayer-state.ts";
import { namesOfGenerations, requireOwnDirectory } from "./standing.ts";
import { readState, writeState } from "./state-file.ts";
import {
  listSubvolumes,
  type ListedSubvolume,
  type SubvolumeList,
} from "./subvolume-list.ts";
import {
  deleteFoundTree,
  findTree,
  type NestedSubvolume,
  type SubvolumeTree,
} from "./subvolume-tree.ts";

/** Init waits for this: what is not removed in that time is left for the next start. */
const MAX_REMOVAL_MS = 15_000;
/** So many names make a line that can still be read. */
const NAMED = 3;

interface TidyContext {
  readonly host: Host;
  readonly topLevel: string;
  readonly paths: RwlayerPaths;
  readonly mounts: readonly SubvolumeMount[];
  readonly list: SubvolumeList;
}

/**
 * Removes what is ours and no longer needed: generations past the limit, and a staging that never
 * became root. After a fallback all generations stay: one of them may be what the user looks for.
 * What cannot be removed is warned of.
 * @param isReached whether init gets the root that the boot made
 */
export async function tidy(
  host: Host,
  topLevel: string,
  boot: FinishedBoot,
  isReached: boolean,
): Promise<void> {
  try {
    const paths = rwlayerPaths(boot.rwlayer);
    requireOwnDirectory(host, topLevel, paths);
    const former = readState(host, topLevel, paths);
    const context: TidyContext = {
      ...{ host, topLevel, paths },
      mounts: readMountsOf(host, topLevel),
      list: await listSubvolumes(host, topLevel),
    };
    requireListed(context.list, boot);
    const known = await adoptRoot(context, former, boot);
    const marked = isReached ? await markAsRoot(context, known, boot) : known;
    if (boot.result === "generation") {
      if (marked !== former) writeState(host, topLevel, paths, marked);
      return;
    }
    const { roots, staging, state } = await findOurs(context, marked);
    const old =
      boot.result === "fallback"
        ? []
        : chooseRemovals(roots, boot.limits.generations);
    const unwanted = [
      ...(await selectRemovable(context, old, isUsersOwn)),
      // Nobody has had it as root.
      ...(await selectRemovable(context, staging, () => false)),
    ];
    const last = markIncomplete(state, unwanted);
    if (last !== former) writeState(host, topLevel, paths, last);
    const removed = await removeAll(context, unwanted);
    forgetAbsent(context, last, removed);
  } catch (error) {
    warnOf(host, "tidy up", error);
  }
}

/** What is not listed is forgotten. @throws BootError STEP_FAILED where the list is none */
function requireListed(
  list: SubvolumeList,
  { root, subvolumeUuid }: FinishedBoot,
): void {
  if (list.mayHave(subvolumeUuid)) return;
  throw new BootError(
    "STEP_FAILED",
    `the list that btrfs printed lacks the root ${root}`,
    { hint: ODD_BTRFS },
  );
}

/** The state with the root that booted, where its own record alone tells of it. */
async function adoptRoot(
  context: TidyContext,
  state: RwlayerState,
  { root, subvolumeUuid }: FinishedBoot,
): Promise<RwlayerState> {
  const { host, topLevel, paths } = context;
  const tree = path.join(topLevel, root);
  if (
    findRecord(state, subvolumeUuid) !== undefined ||
    !isSubvolume(host, tree) ||
    (await readFacts(context, root)).uuid !== subvolumeUuid
  ) {
    return state;
  }
  const record = readOwnRecord(host, tree, paths.rwlayer, subvolumeUuid);
  return record === undefined ? state : withRecord(state, record);
}

/**
 * The root that the initramfs has mounted is in use for as long as this kernel runs. Where nothing has
 * mounted it, as in a rehearsal, nobody uses it.
 */
async function markAsRoot(
  context: TidyContext,
  state: RwlayerState,
  { root, subvolumeUuid }: FinishedBoot,
): Promise<RwlayerState> {
  const { host, mounts } = context;
  const record = findRecord(state, subvolumeUuid);
  if (record === undefined) return state;
  const isMounted = findMountOf(mounts, root) !== undefined;
  const bootId = isMounted ? readBootId(host) : record.bootId;
  const { lastChange } = await readFacts(context, root);
  // Starts do not add up to use: each is counted from its own beginning.
  const handedOver = wasUsed({ record, lastChange })
    ? record.handedOver
    : lastChange;
  if (record.bootId === bootId && record.handedOver === handedOver) {
    return state;
  }
  return withRecord(state, {
    ...record,
    ...(bootId !== undefined && { bootId }),
    ...(handedOver !== undefined && { handedOver }),
  });
}

interface Ours {
  /** The generations, the newest last. */
  readonly roots: readonly FormerRoot[];
  /** What stands at its place, where that is ours. */
  readonly staging: readonly FormerRoot[];
  /** With what was known by its own record alone. */
  readonly state: RwlayerState;
}

async function findOurs(
  context: TidyContext,
  marked: RwlayerState,
): Promise<Ours> {
  const { host, topLevel, paths } = context;
  let state = marked;
  const find = async (file: string): Promise<FormerRoot[] | undefined> => {
    const tree = path.join(topLevel, file);
    if (host.files.statusOf(tree) === undefined) return [];
    if (!isSubvolume(host, tree)) return undefined;
    const { uuid, lastChange } = await readFacts(context, file);
    const known = findRecord(state, uuid);
    if (known !== undefined) return [{ file, record: known, lastChange }];
    const record = readOwnRecord(host, tree, paths.rwlayer, uuid);
    if (record === undefined) return undefined;
    host.log.warn(describeAdopted(file, paths));
    state = withRecord(state, record);
    return [{ file, record, lastChange }];
  };
  const names = namesOfGenerations(host, topLevel, paths);
  const roots: FormerRoot[] = [];
  const foreign: string[] = [];
  for (const number of generationNumbers(names)) {
    const file = path.join(paths.generations, String(number));
    const found = await find(file);
    if (found === undefined) foreign.push(file);
    else roots.push(...found);
  }
  const staging = await find(paths.staging);
  if (staging === undefined) foreign.push(paths.staging);
  if (foreign.length > 0) {
    host.log.warn(
      `${nameSome(foreign)} cannot be proved to be dockroot's own and ${foreign.length === 1 ? "is" : "are"} left alone`,
    );
  }
  return { roots, staging: staging ?? [], state };
}

async function readFacts(
  { host, topLevel, list }: TidyContext,
  file: string,
): Promise<Pick<ListedSubvolume, "uuid" | "lastChange">> {
  return (
    list.at(file) ?? (await readSubvolume(host, path.join(topLevel, file)))
  );
}

interface Unwanted extends FormerRoot {
  readonly tree: SubvolumeTree;
}

/** Those in nobody's use, and with nothing of somebody's own in them. */
async function selectRemovable(
  context: TidyContext,
  roots: readonly FormerRoot[],
  isForeign: typeof isUsersOwn,
): Promise<Unwanted[]> {
  const { host, topLevel, mounts, list } = context;
  const found: Unwanted[] = [];
  for (const former of roots) {
    const { file, record } = former;
    try {
      const use = findUse(host, mounts, file, record);
      if (use !== undefined) {
        host.log.warn(`${file} is ${use} and is kept`);
        continue;
      }
      const tree = await findTree(host, topLevel, file, list);
      const own = tree.nested
        .filter((nested) => isForeign(context, file, nested))
        .map((nested) => nested.path.toString());
      if (own.length === 0) found.push({ ...former, tree });
      else {
        host.log.warn(
          `${file} is kept: dockroot did not make the subvolume${own.length === 1 ? "" : "s"} ${nameSome(own)} in it. Move or delete ${own.length === 1 ? "it" : "them"}, with the filesystem mounted with -o subvolid=5`,
        );
      }
    } catch (error) {
      warnOf(host, `remove ${file}`, error);
    }
  }
  return found;
}

/** An empty one, and one that was carried over, hold nothing. */
function isUsersOwn(
  context: TidyContext,
  root: string,
  { path: nested }: NestedSubvolume,
): boolean {
  const { host, topLevel } = context;
  const file = nested.toString();
  const inRoot = file.slice(root.length + 1);
  if (goesWithRoot(inRoot)) return false;
  if (file.includes("\uFFFD")) return true;
  return (
    !isCarriedOver(context, file, inRoot) &&
    host.files.namesIn(path.join(topLevel, file)).length > 0
  );
}

/** Whether another root of ours has in its place a snapshot of all that is in it. */
function isCarriedOver(
  { host, topLevel, paths, list }: TidyContext,
  file: string,
  inRoot: string,
): boolean {
  const own = list.at(file);
  if (own === undefined) return false;
  const generations = namesOfGenerations(host, topLevel, paths).map((name) =>
    path.join(paths.generations, name),
  );
  return [paths.rwlayer, ...generations].some((root) => {
    const successor = path.join(root, inRoot);
    const found = list.at(successor);
    return (
      found?.parentUuid === own.uuid &&
      own.lastChange <= found.madeBy &&
      isSubvolume(host, path.join(topLevel, successor))
    );
  });
}

/** First of all: what is deleted in part must never stand in for a root. */
function markIncomplete(
  state: RwlayerState,
  unwanted: readonly Unwanted[],
): RwlayerState {
  return unwanted
    .filter(({ record }) => record.complete)
    .reduce(
      (sofar, { record }) => withRecord(sofar, { ...record, complete: false }),
      state,
    );
}

/** @returns the UUIDs of those that are gone */
async function removeAll(
  { host, topLevel }: TidyContext,
  unwanted: readonly Unwanted[],
): Promise<ReadonlySet<string>> {
  const removed = new Set<string>();
  const started = host.nowMs();
  for (const [index, { file, record, tree }] of unwanted.entries()) {
    if (host.nowMs() - started >= MAX_REMOVAL_MS) {
      host.log.warn(
        `${String(unwanted.length - index)} former roots are left for the next start: the removal takes long`,
      );
      break;
    }
    try {
      removeOwnRecord(host, path.join(topLevel, file));
      await deleteFoundTree(host, topLevel, tree);
      host.log.info(`removed ${file}`);
      removed.add(record.uuid);
    } catch (error) {
      warnOf(host, `remove ${file}`, error);
    }
  }
  return removed;
}

/** Drops the records of subvolumes that are gone, so that the state file stays small. */
function forgetAbsent(
  { host, topLevel, paths, list }: TidyContext,
  state: RwlayerState,
  removed: ReadonlySet<string>,
): void {
  const subvolumes = state.subvolumes.filter(
    ({ uuid }) => !removed.has(uuid) && list.mayHave(uuid),
  );
  if (subvolumes.length === state.subvolumes.length) return;
  writeState(host, topLevel, paths, { ...state, subvolumes });
}

function nameSome(files: readonly string[]): string {
  const rest = files.length - NAMED;
  const named = files.slice(0, NAMED).join(", ");
  return rest > 0 ? `${named} and ${String(rest)} more` : named;
}

function warnOf(host: Host, work: string, error: unknown): void {
  host.log.warn(summarizeFailure(asFailureOf(work, error)));
}
