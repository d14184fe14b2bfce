import { listNames } from "../../base/shorten.ts";
import path from "node:path";
import type { Host } from "../../host/host.ts";
import { generationNumbers } from "../../options/rwlayer-names.ts";
import type { FormerRoot } from "../../plan/choose-removals.ts";
import {
  describeAdopted,
  withRecord,
  type RwlayerState,
} from "../../records/rwlayer-state.ts";
import type { Disk } from "../disk.ts";
import type { SubvolumeMount } from "../mounts.ts";
import { findListed, type SubvolumeList } from "../subvolume-list.ts";

/** So many names make a line that can still be read. */
export const MAX_NAMED = 3;

/** What `finish` works with. */
export interface GarbageContext {
  readonly disk: Disk;
  readonly mounts: readonly SubvolumeMount[];
  readonly list: SubvolumeList;
}

interface FormerRoots {
  /** The generations, the newest last. */
  readonly generations: readonly FormerRoot[];
  /** What stands at its place, where that is ours. */
  readonly staging: FormerRoot | undefined;
  /** With what was known by its own record alone. */
  readonly state: RwlayerState;
}

/** Finds what is ours beside the rwlayer, and tells what is not, or is never removed. */
export async function findFormerRoots(
  { disk, list }: GarbageContext,
  marked: RwlayerState,
): Promise<FormerRoots> {
  const { host, paths } = disk;
  const foreign: string[] = [];
  let state = marked;
  const find = async (file: string): Promise<FormerRoot | undefined> => {
    if (host.files.statusOf(disk.at(file)) === undefined) return undefined;
    const facts = await findListed(disk, list, file);
    const known = facts && disk.recordOf(file, facts.uuid, state);
    if (facts === undefined || known?.record === undefined) {
      foreign.push(file);
      return undefined;
    }
    const { record, isAdopted } = known;
    if (isAdopted) {
      host.log.warn(describeAdopted(file, paths));
      state = withRecord(state, record);
    }
    return { file, record, ...facts };
  };
  const generations: FormerRoot[] = [];
  for (const number of generationNumbers(disk.generationNames())) {
    const found = await find(path.join(paths.generations, String(number)));
    if (found !== undefined) generations.push(found);
  }
  const staging = await find(paths.staging);
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
  return { generations, staging, state };
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
