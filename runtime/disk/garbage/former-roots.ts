import { listNames } from "../../base/list-names.ts";
import path from "node:path";
import { isSubvolume, readSubvolume } from "../btrfs.ts";
import type { FormerRoot } from "../../plan/choose-removals.ts";
import type { Host } from "../../host/host.ts";
import type { SubvolumeMount } from "../mounts.ts";
import { readOwnRecord } from "../own-record.ts";
import {
  describeAdopted,
  findRecord,
  withRecord,
  type RwlayerState,
} from "../../records/rwlayer-state.ts";
import {
  generationNumbers,
  type RwlayerPaths,
} from "../../options/rwlayer-names.ts";
import { namesOfGenerations } from "../path-state.ts";
import type { ListedSubvolume, SubvolumeList } from "../subvolume-list.ts";

/** So many names make a line that can still be read. */
export const MAX_NAMED = 3;

/** What `finish` works with. */
export interface GarbageContext {
  readonly host: Host;
  readonly topLevel: string;
  readonly paths: RwlayerPaths;
  readonly mounts: readonly SubvolumeMount[];
  readonly list: SubvolumeList;
}

export interface FormerRoots {
  /** The generations, the newest last. */
  readonly generations: readonly FormerRoot[];
  /** What stands at its place, where that is ours. */
  readonly staging: readonly FormerRoot[];
  /** With what was known by its own record alone. */
  readonly state: RwlayerState;
}

/** Finds what is ours beside the rwlayer, and tells what is not, or is never removed. */
export async function findFormerRoots(
  context: GarbageContext,
  marked: RwlayerState,
): Promise<FormerRoots> {
  const { host, topLevel, paths } = context;
  let state = marked;
  const find = async (file: string): Promise<FormerRoot[] | undefined> => {
    const tree = path.join(topLevel, file);
    if (host.files.statusOf(tree) === undefined) return [];
    if (!isSubvolume(host, tree)) return undefined;
    const { uuid, lastChange, madeBy } = await readFacts(context, file);
    const known = findRecord(state, uuid);
    const record = known ?? readOwnRecord(host, tree, paths.rwlayer, uuid);
    if (record === undefined) return undefined;
    if (known === undefined) {
      host.log.warn(describeAdopted(file, paths));
      state = withRecord(state, record);
    }
    return [{ file, record, lastChange, madeBy }];
  };
  const generations: FormerRoot[] = [];
  const foreign: string[] = [];
  for (const number of generationNumbers(
    namesOfGenerations(host, topLevel, paths),
  )) {
    const file = path.join(paths.generations, String(number));
    const found = await find(file);
    if (found === undefined) foreign.push(file);
    else generations.push(...found);
  }
  const staging = await find(paths.staging);
  if (staging === undefined) foreign.push(paths.staging);
  warnOfKept(
    host,
    foreign,
    "cannot be proved to be dockroot's own",
    "left alone",
  );
  warnOfKept(
    host,
    generations
      .filter(({ record }) => record.isCopy === true)
      .map(({ file }) => file),
    "stood in for a root that dockroot made",
    "never removed: delete what you do not need",
  );
  return { generations, staging: staging ?? [], state };
}

/** What btrfs tells of a subvolume that stands at a path. @throws HelperError, BootError */
export async function readFacts(
  { host, topLevel, list }: GarbageContext,
  file: string,
): Promise<Pick<ListedSubvolume, "uuid" | "lastChange" | "madeBy">> {
  return (
    list.at(file) ?? (await readSubvolume(host, path.join(topLevel, file)))
  );
}

function warnOfKept(
  host: Host,
  files: readonly string[],
  why: string,
  how: string,
): void {
  if (files.length === 0) return;
  const verb = files.length === 1 ? "is" : "are";
  host.log.warn(`${listNames(files, MAX_NAMED)} ${why} and ${verb} ${how}`);
}
