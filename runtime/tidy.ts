import path from "node:path";
import { isSubvolume, readSubvolume } from "./btrfs.ts";
import { standingAt } from "./standing.ts";
import { asFailureOf, summarizeFailure } from "./failure.ts";
import type { Host } from "./host/host.ts";
import { findUse } from "./in-use.ts";
import { readBootId } from "./machine.ts";
import { findMountOf, readMountsOf, type SubvolumeMount } from "./mounts.ts";
import type { FinishedBoot } from "./parse-finished-boot.ts";
import {
  findRecord,
  generationNumbers,
  rwlayerPaths,
  withRecord,
  type RwlayerPaths,
  type RwlayerState,
  type SubvolumeRecord,
} from "./rwlayer-state.ts";
import { readState, writeState } from "./state-file.ts";
import { deleteSubvolumeTree } from "./subvolume-tree.ts";

/**
 * Removes what is ours and no longer needed: generations past the limit, and a staging that never
 * became root. After a fallback all generations stay: one of them may be what the user looks for.
 * What cannot be removed is warned of.
 */
export async function tidy(
  host: Host,
  topLevel: string,
  boot: FinishedBoot,
): Promise<void> {
  const { result, rwlayer, limits } = boot;
  try {
    const paths = rwlayerPaths(rwlayer);
    const former = readState(host, topLevel, paths);
    const mounts = readMountsOf(host, topLevel);
    const state = markAsRoot(host, mounts, former, boot);
    if (result === "generation") {
      if (state !== former) writeState(host, topLevel, paths, state);
      return;
    }
    const names = host.files.namesIn(path.join(topLevel, paths.generations));
    const numbers = generationNumbers(names);
    const old =
      result === "fallback"
        ? []
        : numbers.slice(0, Math.max(0, numbers.length - limits.generations));
    const unwanted = await selectOurs(host, topLevel, mounts, state, [
      ...old.map((number) => path.join(paths.generations, String(number))),
      paths.staging,
    ]);
    const marked = markIncomplete(state, unwanted);
    if (marked !== former) writeState(host, topLevel, paths, marked);
    const removed = new Set<string>();
    for (const { file, record } of unwanted) {
      if (await removeOurs(host, topLevel, file)) removed.add(record.uuid);
    }
    await forgetAbsent(host, topLevel, paths, marked, removed);
  } catch (error) {
    warnOf(host, "tidy up", error);
  }
}

/**
 * The root that the initramfs has mounted is in use for as long as this kernel runs. Where nothing has
 * mounted it, as in a rehearsal, nobody uses it.
 */
function markAsRoot(
  host: Host,
  mounts: readonly SubvolumeMount[],
  state: RwlayerState,
  { root, subvolumeUuid }: FinishedBoot,
): RwlayerState {
  const record = findRecord(state, subvolumeUuid);
  const bootId = readBootId(host);
  return record === undefined ||
    bootId === undefined ||
    record.bootId === bootId ||
    findMountOf(mounts, root) === undefined
    ? state
    : withRecord(state, { ...record, bootId });
}

interface Unwanted {
  /** Relative to the top level. */
  readonly file: string;
  readonly record: SubvolumeRecord;
}

/** Those of the files that are subvolumes of ours and in nobody's use. */
async function selectOurs(
  host: Host,
  topLevel: string,
  mounts: readonly SubvolumeMount[],
  state: RwlayerState,
  files: readonly string[],
): Promise<Unwanted[]> {
  const found: Unwanted[] = [];
  for (const file of files) {
    try {
      const standing = await standingAt(host, topLevel, file, state);
      if (standing.kind === "nothing") continue;
      if (standing.kind === "other" || standing.record === undefined) {
        host.log.warn(
          `${file} cannot be proved to be dockroot's own and is left alone`,
        );
        continue;
      }
      const use = findUse(host, mounts, file, standing.record);
      if (use === undefined) found.push({ file, record: standing.record });
      else host.log.warn(`${file} is ${use} and is kept`);
    } catch (error) {
      warnOf(host, `remove ${file}`, error);
    }
  }
  return found;
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

async function removeOurs(
  host: Host,
  topLevel: string,
  file: string,
): Promise<boolean> {
  try {
    await deleteSubvolumeTree(host, topLevel, file);
    host.log.info(`removed ${file}`);
    return true;
  } catch (error) {
    warnOf(host, `remove ${file}`, error);
    return false;
  }
}

function warnOf(host: Host, work: string, error: unknown): void {
  host.log.warn(summarizeFailure(asFailureOf(work, error)));
}

/** Drops the records of subvolumes that are gone, so that the state file stays small. */
async function forgetAbsent(
  host: Host,
  topLevel: string,
  paths: RwlayerPaths,
  state: RwlayerState,
  removed: ReadonlySet<string>,
): Promise<void> {
  const left = state.subvolumes.filter(({ uuid }) => !removed.has(uuid));
  const places = [
    paths.rwlayer,
    paths.staging,
    ...host.files
      .namesIn(path.join(topLevel, paths.generations))
      .map((name) => path.join(paths.generations, name)),
  ]
    .map((file) => path.join(topLevel, file))
    .filter((place) => isSubvolume(host, place));
  // As many as there can be: to ask for each of them costs time before the system starts.
  const subvolumes =
    left.length <= places.length ? left : await keepPresent(host, left, places);
  if (subvolumes.length === state.subvolumes.length) return;
  writeState(host, topLevel, paths, { ...state, subvolumes });
}

async function keepPresent(
  host: Host,
  records: readonly SubvolumeRecord[],
  places: readonly string[],
): Promise<SubvolumeRecord[]> {
  const present = new Set<string>();
  for (const place of places) {
    present.add((await readSubvolume(host, place)).uuid);
  }
  return records.filter(({ uuid }) => present.has(uuid));
}
