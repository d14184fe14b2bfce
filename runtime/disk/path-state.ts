import path from "node:path";
import { isSubvolume, readSubvolume } from "./btrfs.ts";
import type { DiskFacts, OpenDisk, PathState } from "../plan/facts.ts";
import { readOwnRecord } from "./own-record.ts";
import { BootError } from "../base/errors.ts";
import type { Host } from "../host/host.ts";
import {
  emptyState,
  findRecord,
  withRecord,
  type RwlayerState,
} from "../records/rwlayer-state.ts";
import type { RwlayerPaths } from "../options/rwlayer-names.ts";
import { readState } from "./state-file.ts";

/** What stands there now. @throws HelperError, BootError */
export async function readRwlayer(
  host: Host,
  topLevel: string,
  paths: RwlayerPaths,
): Promise<Omit<DiskFacts, keyof OpenDisk>> {
  const { state, stateDamage } = tryToReadState(host, topLevel, paths);
  const rwlayer = await readPathState(host, topLevel, paths.rwlayer, state);
  return { state: withAdopted(state, rwlayer), stateDamage, rwlayer };
}

/** The state with what is known by its own record alone. */
export function withAdopted(
  state: RwlayerState,
  pathState: PathState,
): RwlayerState {
  return pathState.kind === "subvolume" &&
    pathState.isAdopted &&
    pathState.record !== undefined
    ? withRecord(state, pathState.record)
    : state;
}

/**
 * What stands at a path on the top level. What the state does not know is taken at its own word.
 * @param file relative to the top level
 * @throws HelperError, BootError
 */
export async function readPathState(
  host: Host,
  topLevel: string,
  file: string,
  state: RwlayerState,
): Promise<PathState> {
  const whole = path.join(topLevel, file);
  if (host.files.statusOf(whole) === undefined) return { kind: "nothing" };
  if (!isSubvolume(host, whole)) return { kind: "other" };
  const subvolume = await readSubvolume(host, whole);
  const known = findRecord(state, subvolume.uuid);
  const record =
    known ?? readOwnRecord(host, whole, state.rwlayer, subvolume.uuid);
  const isAdopted = known === undefined && record !== undefined;
  return { kind: "subvolume", subvolume, record, isAdopted };
}

/** The state; an empty one, and why, where it is damaged. */
export function tryToReadState(
  host: Host,
  topLevel: string,
  paths: RwlayerPaths,
): Pick<DiskFacts, "state" | "stateDamage"> {
  try {
    requireOwnDirectory(host, topLevel, paths);
    const state = readState(host, topLevel, paths);
    return { state, stateDamage: undefined };
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return { state: emptyState(paths.rwlayer), stateDamage: error };
  }
}

/**
 * The names in the directory of generations; none where a link stands there: it could lead anywhere, and
 * a root in use is known by its path.
 */
export function namesOfGenerations(
  host: Host,
  topLevel: string,
  { generations }: RwlayerPaths,
): string[] {
  const directory = path.join(topLevel, generations);
  return host.files.statusOf(directory)?.kind === "directory"
    ? host.files.namesIn(directory)
    : [];
}

/** A link there could lead anywhere. @throws BootError FILE_UNREADABLE */
export function requireOwnDirectory(
  host: Host,
  topLevel: string,
  { directory }: RwlayerPaths,
): void {
  for (const own of [path.dirname(directory), directory]) {
    const kind = host.files.statusOf(path.join(topLevel, own))?.kind;
    if (kind === undefined || kind === "directory") continue;
    throw new BootError("FILE_UNREADABLE", `${own} is not a directory`, {
      hint: "Rename it: dockroot keeps what it knows of its subvolumes there.",
    });
  }
}
