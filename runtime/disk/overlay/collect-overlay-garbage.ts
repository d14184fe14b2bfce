import path from "node:path";
import { listNames } from "../../base/shorten.ts";
import { readBootId } from "../../host/machine.ts";
import {
  DOCKROOT_DIRECTORY,
  generationNumbers,
  KEPT_IMAGES,
  LAYERS,
  NEW_LAYERS,
  nextGeneration,
  rwlayerOfDirectory,
} from "../../options/rwlayer-names.ts";
import {
  chooseRemovals,
  countTransactions,
  wasUsed,
} from "../../plan/choose-removals.ts";
import type { FinishedBoot } from "../../records/boot-record.ts";
import type { SubvolumeRecord } from "../../records/rwlayer-state.ts";
import { listKeptLayers } from "../kept-images.ts";
import { findMountOf, findUse } from "../mounts.ts";
import { attempt, attemptRemoval } from "./attempt.ts";
import { discardLayers, listHeld } from "./layers.ts";
import { OverlayDisk } from "./overlay-disk.ts";
import { readRootFile, RECORD, UPPER } from "./root-files.ts";

/** Init waits for this: what is not removed in that time is left for the next boot. */
const MAX_REMOVAL_MS = 15_000;

const MAX_NAMED = 3;

/** What is known of the running system's root, which may be in memory and recorded nowhere else. */
export type RunningRoot = Pick<FinishedBoot, "layers"> &
  Partial<Pick<FinishedBoot, "subvolumeUuid">>;

/**
 * Removes what is ours and no longer needed: earlier roots past the limit, a root that was not finished, and the layers
 * that no root and no kept image is made of. What is to be removed is renamed first: what is removed in part never
 * stands where a root is looked for. After a fallback all generations stay. What cannot be removed is warned of.
 * @param running the running system's boot, where this is another; `undefined` where that is not known
 * @param isReached whether init gets the root that the boot made
 */
export function collectOverlayGarbage(
  disk: OverlayDisk,
  boot: FinishedBoot,
  running: RunningRoot | undefined,
  isReached: boolean,
): void {
  const { host } = disk;
  const end = host.nowMs() + MAX_REMOVAL_MS;
  const isLate = () => host.nowMs() >= end;
  attempt(host, `note that ${boot.root} is in use`, () => {
    if (isReached) markAsRoot(disk, boot);
  });
  if (boot.result === "generation") return;
  attempt(host, "clean up earlier roots", () => {
    discardRoots(disk, boot, running);
  });
  const isEmptied = attempt(host, "remove earlier roots", () =>
    emptyTrash(disk, isLate),
  );
  const isDone =
    isEmptied !== false &&
    attempt(host, "remove layers", () => {
      // The root that runs may be in memory.
      const unused = running
        ? listUnusedLayers(disk, [...boot.layers, ...running.layers])
        : [];
      return discardLayers(disk, unused, isLate);
    });
  if (isDone !== false) return;
  host.log.warn(
    "removing earlier roots takes too long: the rest is left for the next boot",
  );
}

/**
 * Once the initramfs has mounted it, it is in use for as long as this kernel runs. Boots do not add up to use: each is
 * counted from its own beginning.
 */
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
  const changes = countTransactions(disk.listChanges(root));
  const writtenBefore = wasUsed({ record, ...changes })
    ? undefined
    : disk.findTimeOfWrites(root);
  disk.writeRecord(root, {
    ...record,
    bootId,
    ...(writtenBefore && { writtenBefore }),
  });
}

/** Removes what was not finished, and renames what is past the limit to where it is removed. */
function discardRoots(
  disk: OverlayDisk,
  { result, limits }: FinishedBoot,
  running: RunningRoot | undefined,
): void {
  const { host, paths } = disk;
  const mounts = disk.readMounts();
  const foreign: string[] = [];
  const find = (file: string) => {
    if (host.files.statusOf(disk.at(file)) === undefined) return [];
    const record = disk.readRecord(file);
    if (record === undefined) foreign.push(file);
    return record === undefined ? [] : [{ file, record }];
  };
  const isFree = (file: string, record: SubvolumeRecord | undefined) => {
    // Where its writes stay in memory, it is no mount's upper directory.
    const isRunning = record && record.uuid === running?.subvolumeUuid;
    const use = isRunning
      ? "the root of the running system"
      : findUse(disk, mounts, file, record);
    if (use !== undefined) host.log.warn(`${file} is ${use} and is kept`);
    return use === undefined;
  };
  const { staging, trash } = paths;
  const half = disk.isBegun(staging) ? [{ record: undefined }] : find(staging);
  for (const { record } of half) {
    if (!isFree(staging, record)) continue;
    attemptRemoval(host, staging, () => {
      disk.removeRoot(staging);
    });
  }
  const generations = generationNumbers(disk.generationNames()).flatMap(
    (number) => find(path.join(paths.generations, String(number))),
  );
  const old =
    result === "fallback"
      ? []
      : chooseRemovals(
          generations.map((root) => ({
            ...root,
            ...countTransactions(disk.listChanges(root.file)),
          })),
          limits.generations,
        );
  for (const { file } of old.filter(({ file, record }) =>
    isFree(file, record),
  )) {
    attempt(host, `remove ${file}`, () => {
      host.files.ensureDirectory(disk.at(trash), 0o700);
      const to = path.join(trash, nextGeneration(namesIn(disk, trash)));
      host.files.rename(disk.at(file), disk.at(to));
    });
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

/** @returns whether there was time for that */
function emptyTrash(disk: OverlayDisk, isLate: () => boolean): boolean {
  const { log } = disk.host;
  const { trash } = disk.paths;
  for (const number of generationNumbers(namesIn(disk, trash))) {
    const root = path.join(trash, String(number));
    if (isLate()) return false;
    if (disk.readRecord(root) === undefined && !disk.isBegun(root)) {
      log.warn(
        `${root} cannot be proved to be dockroot's own and is left alone`,
      );
      continue;
    }
    attemptRemoval(disk.host, root, () => {
      disk.removeRoot(root);
    });
  }
  return true;
}

/**
 * The keys of the layers that no root and no kept image is made of; none where it is not known what one is made of.
 * @param running those that are in use besides
 * @throws BootError FILE_UNREADABLE
 */
export function listUnusedLayers(
  disk: OverlayDisk,
  running: readonly string[],
): string[] {
  const held = listHeld(disk);
  if (held.length === 0) return [];
  const used = new Set<string>([...running, ...listKeptLayers(disk)]);
  for (const root of [...listRoots(disk), ...listMovedRoots(disk)]) {
    const [record] = readRootFile(disk, root)?.subvolumes ?? [];
    if (record === undefined) {
      disk.host.log.warn(
        `no layer is removed: the root.json of ${root} does not tell which layers it is made of`,
      );
      return [];
    }
    for (const key of record.layers ?? []) used.add(key);
  }
  return held.filter((key) => !used.has(key));
}

/** Those of all rwlayers. */
function listRoots(disk: OverlayDisk): string[] {
  return namesIn(disk, DOCKROOT_DIRECTORY).flatMap((name) => {
    const { host, topLevel } = disk;
    const other = new OverlayDisk(host, topLevel, rwlayerOfDirectory(name));
    const { directory, generations } = other.paths;
    if (host.files.statusOf(disk.at(directory))?.kind === "file") return [];
    // A link there would hide roots: that fails.
    other.hasDirectory(generations);
    return other.listRoots();
  });
}

/**
 * Roots that somebody has moved to a name of their own: on the top level, or in a directory of dockroot's. Nothing
 * but their layers is kept for them.
 */
function listMovedRoots(disk: OverlayDisk): string[] {
  const { files } = disk.host;
  const kindOf = (file: string) => files.statusOf(disk.at(file))?.kind;
  const isRoot = (file: string) =>
    kindOf(path.join(file, RECORD)) !== undefined &&
    kindOf(path.join(file, UPPER)) === "directory";
  const own = namesIn(disk, DOCKROOT_DIRECTORY)
    .map((name) => path.join(DOCKROOT_DIRECTORY, name))
    .filter((file) => ![LAYERS, NEW_LAYERS, KEPT_IMAGES].includes(file));
  const places = [
    ".",
    DOCKROOT_DIRECTORY,
    ...own,
    ...own.map((directory) => path.join(directory, "generations")),
  ];
  return places
    .flatMap((place) =>
      files.namesIn(disk.at(place)).map((name) => path.join(place, name)),
    )
    .filter(isRoot);
}
