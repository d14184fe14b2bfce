import path from "node:path";
import {
  deleteSubvolumeTree,
  isSubvolume,
  readSubvolumeUuid,
} from "./btrfs.ts";
import { asFailureOf, describeFailure } from "./failure.ts";
import { BootError } from "./host/errors.ts";
import type { Host } from "./host/host.ts";
import { findOtherMount, isMountPoint, unmount } from "./mounts.ts";
import { generationNumbers } from "./plan.ts";
import { BOOT_RECORD, TOP_LEVEL_MOUNT, type BootRecord } from "./report.ts";
import {
  readState,
  rwlayerPaths,
  writeState,
  type RwlayerPaths,
} from "./rwlayer-state.ts";

const MAX_RECORD_BYTES = 1024 * 1024;

/** The part of boot.json that finishing needs. */
interface FinishRequest {
  readonly rwlayer: string;
  readonly generations: number;
}

/**
 * After root is mounted: removes generations past the limit and releases the top level. What cannot
 * be removed stays and is warned of: the machine is up.
 * @throws BootError NOTHING_BOOTED or FILE_UNREADABLE where `<runDirectory>/boot.json` does not tell
 *   of a boot; the top level is released all the same
 */
export async function finish(host: Host, runDirectory: string): Promise<void> {
  const topLevel = path.join(runDirectory, TOP_LEVEL_MOUNT);
  const isMounted = isMountPoint(host, topLevel);
  try {
    const request = readFinishRequest(host, runDirectory);
    if (isMounted) await tryToPrune(host, topLevel, request);
  } finally {
    if (isMounted) await unmount(host, topLevel);
  }
}

function readFinishRequest(host: Host, runDirectory: string): FinishRequest {
  const file = path.join(runDirectory, BOOT_RECORD);
  const text = host.files.readText(file, MAX_RECORD_BYTES);
  if (text === undefined) {
    throw new BootError("NOTHING_BOOTED", `there is no ${file}`, {
      hint: "dockroot finish follows dockroot boot, in the initramfs.",
    });
  }
  const record = parseRecord(file, text);
  if (record?.result !== "fresh") {
    throw new BootError("NOTHING_BOOTED", `${file} tells of no finished boot`, {
      hint: 'It says why: look for "failure".',
    });
  }
  return { rwlayer: record.rwlayer, generations: record.generations };
}

function parseRecord(file: string, text: string): BootRecord | null {
  try {
    return JSON.parse(text) as BootRecord | null;
  } catch (cause) {
    throw new BootError("FILE_UNREADABLE", `${file} is damaged`, {
      cause,
      hint: "Old generations stay until the next start.",
    });
  }
}

async function tryToPrune(
  host: Host,
  topLevel: string,
  request: FinishRequest,
): Promise<void> {
  try {
    await pruneGenerations(host, topLevel, request);
  } catch (error) {
    warnOf(host, "look for old generations", error);
  }
}

async function pruneGenerations(
  host: Host,
  topLevel: string,
  { rwlayer, generations }: FinishRequest,
): Promise<void> {
  const paths = rwlayerPaths(rwlayer);
  const state = readState(host, topLevel, paths);
  const names = host.files.namesIn(path.join(topLevel, paths.generations));
  const numbers = generationNumbers(names);
  const old = numbers.slice(0, Math.max(0, numbers.length - generations));
  if (old.length === 0) return;

  const ours = new Set(state.subvolumes.map(({ uuid }) => uuid));
  for (const number of old) {
    const file = path.join(paths.generations, String(number));
    const whole = path.join(topLevel, file);
    if (
      !isSubvolume(host, whole) ||
      !ours.has(await readSubvolumeUuid(host, whole))
    ) {
      host.log.warn(`${file} was not made by dockroot and is left alone`);
      continue;
    }
    const mountPoint = findOtherMount(host, topLevel, file);
    if (mountPoint !== undefined) {
      host.log.warn(`${file} is mounted at ${mountPoint} and is kept`);
      continue;
    }
    try {
      await deleteSubvolumeTree(host, topLevel, file);
      host.log.info(`removed the old generation ${file}`);
    } catch (error) {
      warnOf(host, `remove the old generation ${file}`, error);
    }
  }
  await forgetAbsent(host, topLevel, paths);
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
): Promise<void> {
  const state = readState(host, topLevel, paths);
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
      present.add(await readSubvolumeUuid(host, place));
    }
  }
  writeState(host, topLevel, paths, {
    ...state,
    subvolumes: state.subvolumes.filter(({ uuid }) => present.has(uuid)),
  });
}
