import path from "node:path";
import {
  asFailureOf,
  describeFailure,
  summarizeFailure,
} from "../../base/failure.ts";
import { listNames } from "../../base/shorten.ts";
import { readBootId } from "../../host/machine.ts";
import {
  DOCKROOT_DIRECTORY,
  generationNumbers,
  nextGeneration,
  rwlayerOfDirectory,
} from "../../options/rwlayer-names.ts";
import { chooseRemovals } from "../../plan/choose-removals.ts";
import type { FinishedBoot } from "../../records/boot-record.ts";
import { findMountOf, findUse } from "../mounts.ts";
import { layerPath, listHeld, removeNewLayers } from "./layers.ts";
import { OverlayDisk } from "./overlay-disk.ts";

/** Init waits for this: what is not removed in that time is left for the next boot. */
const MAX_REMOVAL_MS = 15_000;

const MAX_NAMED = 3;

/**
 * Removes what is ours and no longer needed: earlier roots past the limit, a root that was not finished, and the layers
 * that no root is made of. What is to be removed is renamed first: what is removed in part never
 * stands where a root is looked for. After a fallback all generations stay. What cannot be removed is warned of.
 * @param isReached whether init gets the root that the boot made
 */
export function collectOverlayGarbage(
  disk: OverlayDisk,
  boot: FinishedBoot,
  isReached: boolean,
): void {
  const { log } = disk.host;
  try {
    if (isReached) markAsRoot(disk, boot);
    if (boot.result === "generation") return;
    discardRoots(disk, boot);
    removeNewLayers(disk);
    const end = disk.host.nowMs() + MAX_REMOVAL_MS;
    for (const file of [...listTrash(disk), ...listUnusedLayers(disk, boot)]) {
      if (disk.host.nowMs() >= end) {
        log.warn(
          "removing earlier roots takes too long: the rest is left for the next boot",
        );
        return;
      }
      disk.host.files.removeTree(Buffer.from(disk.at(file)));
      log.info(`removed ${file}`);
    }
  } catch (error) {
    const failure = asFailureOf("clean up earlier roots", error);
    log.warn(summarizeFailure(failure), describeFailure(failure));
  }
}

/** Once the initramfs has mounted it, it is in use for as long as this kernel runs. */
function markAsRoot(
  disk: OverlayDisk,
  { root, subvolumeUuid }: FinishedBoot,
): void {
  const record = disk.readRecord(root);
  const bootId = readBootId(disk.host);
  const isMounted = findMountOf(disk.readMounts(), root) !== undefined;
  // Another boot may have put another root there.
  if (record?.uuid !== subvolumeUuid || bootId === undefined || !isMounted) {
    return;
  }
  if (record.bootId === bootId) return;
  disk.writeRecord(root, { ...record, bootId });
}

/** Renames what is past the limit, and what was not finished, to where it is removed. */
function discardRoots(
  disk: OverlayDisk,
  { result, limits }: FinishedBoot,
): void {
  const { host, paths } = disk;
  const mounts = disk.readMounts();
  const foreign: string[] = [];
  const find = (file: string) => {
    if (host.files.statusOf(disk.at(file)) === undefined) return [];
    const record = disk.readRecord(file);
    if (record === undefined) foreign.push(file);
    // An overlay has no numbers of transactions.
    return record === undefined
      ? []
      : [{ file, record, lastChange: 0, madeBy: 0 }];
  };
  const generations = generationNumbers(disk.generationNames()).flatMap(
    (number) => find(path.join(paths.generations, String(number))),
  );
  const old =
    result === "fallback"
      ? []
      : chooseRemovals(generations, limits.generations);
  for (const { file, record } of [...old, ...find(paths.staging)]) {
    const use = findUse(disk, mounts, file, record);
    if (use !== undefined) {
      host.log.warn(`${file} is ${use} and is kept`);
      continue;
    }
    host.files.ensureDirectory(disk.at(paths.trash), 0o700);
    const to = path.join(
      paths.trash,
      nextGeneration(namesIn(disk, paths.trash)),
    );
    host.files.rename(disk.at(file), disk.at(to));
  }
  if (foreign.length === 0) return;
  const verb = foreign.length === 1 ? "is" : "are";
  host.log.warn(
    `${listNames(foreign, MAX_NAMED)} cannot be proved to be dockroot's own and ${verb} left alone`,
  );
}

function namesIn(disk: OverlayDisk, directory: string): string[] {
  return disk.hasDirectory(directory)
    ? disk.host.files.namesIn(disk.at(directory))
    : [];
}

function listTrash(disk: OverlayDisk): string[] {
  const { trash } = disk.paths;
  return generationNumbers(namesIn(disk, trash)).map((number) =>
    path.join(trash, String(number)),
  );
}

/** None where it is not known what a root is made of. */
function listUnusedLayers(
  disk: OverlayDisk,
  { layers }: FinishedBoot,
): string[] {
  const held = listHeld(disk);
  if (held.length === 0) return [];
  // The root that runs may be in memory.
  const used = new Set<string>(layers);
  for (const name of namesIn(disk, DOCKROOT_DIRECTORY)) {
    const other = new OverlayDisk(
      disk.host,
      disk.topLevel,
      rwlayerOfDirectory(name),
    );
    for (const record of other.listRecords()) {
      if (record === undefined) return [];
      for (const key of record.layers ?? []) used.add(key);
    }
  }
  return held.filter((key) => !used.has(key)).map(layerPath);
}
