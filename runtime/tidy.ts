import path from "node:path";
import { isSubvolume, readSubvolume } from "./btrfs.ts";
import { asFailureOf, describeFailure } from "./failure.ts";
import type { Host } from "./host/host.ts";
import { findOtherMount } from "./mounts.ts";
import type { RootedBoot } from "./report.ts";
import {
  findRecord,
  generationNumbers,
  readState,
  rwlayerPaths,
  writeState,
  type RwlayerPaths,
  type RwlayerState,
} from "./rwlayer-state.ts";
import { deleteSubvolumeTree } from "./subvolume-tree.ts";

/**
 * Removes what is ours and no longer needed: generations past the limit, and a staging that never
 * became root. After a fallback all generations stay: one of them may be what the user looks for.
 * What cannot be removed is warned of.
 */
export async function tidy(
  host: Host,
  topLevel: string,
  { result, rwlayer, limits }: RootedBoot,
): Promise<void> {
  if (result === "generation") return;
  try {
    const paths = rwlayerPaths(rwlayer);
    const state = readState(host, topLevel, paths);
    const names = host.files.namesIn(path.join(topLevel, paths.generations));
    const numbers = generationNumbers(names);
    const old =
      result === "fallback"
        ? []
        : numbers.slice(0, Math.max(0, numbers.length - limits.generations));
    for (const file of [
      ...old.map((number) => path.join(paths.generations, String(number))),
      paths.staging,
    ]) {
      await removeOurs(host, topLevel, file, state);
    }
    await forgetAbsent(host, topLevel, paths, state);
  } catch (error) {
    warnOf(host, "tidy up", error);
  }
}

async function removeOurs(
  host: Host,
  topLevel: string,
  file: string,
  state: RwlayerState,
): Promise<void> {
  const whole = path.join(topLevel, file);
  if (host.files.statusOf(whole) === undefined) return;
  try {
    if (
      !isSubvolume(host, whole) ||
      findRecord(state, (await readSubvolume(host, whole)).uuid) === undefined
    ) {
      host.log.warn(`${file} was not made by dockroot and is left alone`);
      return;
    }
    const mountPoint = findOtherMount(host, topLevel, file);
    if (mountPoint !== undefined) {
      host.log.warn(`${file} is mounted at ${mountPoint} and is kept`);
      return;
    }
    await deleteSubvolumeTree(host, topLevel, file);
    host.log.info(`removed ${file}`);
  } catch (error) {
    warnOf(host, `remove ${file}`, error);
  }
}

function warnOf(host: Host, work: string, error: unknown): void {
  const { message, causes } = describeFailure(asFailureOf(work, error));
  host.log.warn([message, ...causes].join(": "));
}

/** Drops the records of subvolumes that are gone, so that the state file stays small. */
async function forgetAbsent(
  host: Host,
  topLevel: string,
  paths: RwlayerPaths,
  state: RwlayerState,
): Promise<void> {
  const places = [
    paths.rwlayer,
    paths.staging,
    ...host.files
      .namesIn(path.join(topLevel, paths.generations))
      .map((name) => path.join(paths.generations, name)),
  ].map((file) => path.join(topLevel, file));
  const present = new Set<string>();
  for (const place of places) {
    if (isSubvolume(host, place)) {
      present.add((await readSubvolume(host, place)).uuid);
    }
  }
  const subvolumes = state.subvolumes.filter(({ uuid }) => present.has(uuid));
  if (subvolumes.length === state.subvolumes.length) return;
  writeState(host, topLevel, paths, { ...state, subvolumes });
}
