import path from "node:path";
import { BootError, HelperError } from "../../base/errors.ts";
import { isLayerKey } from "../../records/rwlayer-state.ts";
import { hintFor } from "../../base/hints.ts";
import {
  DOCKROOT_DIRECTORY,
  LAYERS,
  NEW_LAYERS,
  nextGeneration,
} from "../../options/rwlayer-names.ts";
import type { TreeLayer } from "../../stores/store.ts";
import { syncFilesystem } from "../btrfs.ts";
import type { Disk } from "../disk.ts";
import { attempt, attemptRemoval } from "./attempt.ts";

// The layers that roots are made of, each in a directory named by its key: hard links of the store's files,
// on btrfs copies that share their data. They take no room, and no engine knows of them: a prune that
// empties the store's own directories leaves roots whole. Only what is whole has such a name.

export function layerPath(key: string): string {
  return path.join(LAYERS, key);
}

/** Those of the layers that are not held. @throws BootError FILE_UNREADABLE */
export function listMissing<T extends Pick<TreeLayer, "key">>(
  disk: Disk,
  layers: readonly T[],
): T[] {
  if (!disk.hasDirectory(LAYERS)) return [...layers];
  return layers.filter(({ key }) => !disk.hasDirectory(layerPath(key)));
}

/** What cp says where the data of a file cannot be shared with a new one: it is NOCOW, and the other is not. */
const UNSHARED = /failed to clone .*: Invalid argument/;

/**
 * Holds layers that are in a store. They are durable when this returns.
 * @returns a warning where they take room of their own
 * @throws BootError STEP_FAILED
 */
export async function holdLayers(
  disk: Disk,
  layers: readonly TreeLayer[],
): Promise<string | undefined> {
  const { host, topLevel } = disk;
  const isBtrfs = disk.isBtrfs();
  const directories = layers.map(({ directory }) => directory);
  let made = "";
  const copy = async (how: string) => {
    emptyNewLayers(disk, () => false);
    for (const directory of [DOCKROOT_DIRECTORY, LAYERS, NEW_LAYERS]) {
      host.files.ensureDirectory(disk.at(directory), 0o700);
    }
    made = newLayersPath(disk);
    host.files.createDirectory(disk.at(made), 0o700);
    const into = `--target-directory=${made}`;
    const args = ["--archive", how, "--parents", into, "--", ...directories];
    await host.run(["cp", ...args], { directory: topLevel });
  };
  let warning: string | undefined;
  try {
    // There are no hard links from one subvolume of a btrfs to another.
    await copy(isBtrfs ? "--reflink=always" : "--link").catch(
      async (error: unknown) => {
        const isNocow =
          isBtrfs &&
          error instanceof HelperError &&
          UNSHARED.test(error.message);
        if (!isNocow) throw error;
        await copy("--reflink=auto");
        warning = `the image store has NOCOW files (chattr +C), whose copies in ${LAYERS} take room of their own`;
      },
    );
  } catch (cause) {
    throw new BootError(
      "STEP_FAILED",
      `cannot ${isBtrfs ? "copy" : "link"} the image's layers into ${LAYERS}`,
      { cause, hint: hintForLinks(cause) },
    );
  }
  // Before a name says that it is whole.
  await syncFilesystem(disk);
  for (const { directory, key } of layers) {
    const from = disk.at(path.join(made, directory));
    host.files.rename(from, disk.at(layerPath(key)));
  }
  host.files.removeTree(Buffer.from(disk.at(made)));
  host.files.removeUnusedDirectory(disk.at(NEW_LAYERS));
  return warning;
}

/**
 * Removes layers, and what an interruption has left of others. They lose their names first: what is removed in part is
 * not taken for one that is held. What cannot be removed is warned of.
 * @param isLate asked before each removal: once it is, the rest stays, without a name
 * @returns whether there was time for all
 * @throws BootError FILE_UNREADABLE
 */
export function discardLayers(
  disk: Disk,
  keys: readonly string[],
  isLate: () => boolean,
): boolean {
  const { host } = disk;
  for (const key of keys) {
    attempt(host, `remove ${layerPath(key)}`, () => {
      host.files.ensureDirectory(disk.at(NEW_LAYERS), 0o700);
      const to = disk.at(newLayersPath(disk));
      host.files.rename(disk.at(layerPath(key)), to);
      host.log.info(`${layerPath(key)} is no longer held`);
    });
  }
  return emptyNewLayers(disk, isLate);
}

/** A name beside what cannot be removed. */
function newLayersPath(disk: Disk): string {
  const names = disk.host.files.namesIn(disk.at(NEW_LAYERS));
  return path.join(NEW_LAYERS, nextGeneration(names));
}

/** @returns whether there was time for all */
function emptyNewLayers(disk: Disk, isLate: () => boolean): boolean {
  const { host } = disk;
  if (!disk.hasDirectory(NEW_LAYERS)) return true;
  for (const name of host.files.namesIn(disk.at(NEW_LAYERS))) {
    if (isLate()) return false;
    const file = path.join(NEW_LAYERS, name);
    attemptRemoval(host, file, () => {
      host.files.removeTree(Buffer.from(disk.at(file)));
    });
  }
  host.files.removeUnusedDirectory(disk.at(NEW_LAYERS));
  return true;
}

function hintForLinks(cause: unknown): string {
  if (cause instanceof HelperError) {
    if (/Invalid cross-device link/.test(cause.message)) {
      return "Where the store has a project quota of its own, files of it can have no second name elsewhere: lift the quota (xfs_quota, chattr -p 0).";
    }
    if (/Too many links/.test(cause.message)) {
      return "A file of the image has as many names as its filesystem allows.";
    }
  }
  return hintFor(cause);
}

/**
 * The keys of the layers that are held. On a btrfs the directory may be that of a rwlayer called `layers`, too,
 * of whose files none has a digit in its name.
 * @throws BootError FILE_UNREADABLE
 */
export function listHeld(disk: Disk): string[] {
  return disk.hasDirectory(LAYERS)
    ? disk.host.files
        .namesIn(disk.at(LAYERS))
        .filter((name) => isLayerKey(name) && /\d/.test(name))
    : [];
}
