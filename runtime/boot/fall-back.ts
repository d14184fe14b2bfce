import path from "node:path";
import type { BootContext } from "./boot-context.ts";
import { hasInit, hasModules } from "./bootable.ts";
import { executeSteps } from "./execute.ts";
import { BootError } from "../base/errors.ts";
import { describeFailure, summarizeFailure } from "../base/failure.ts";
import type { Disk, DiskFacts } from "../disk/disk.ts";
import { syncFilesystem } from "../disk/btrfs.ts";
import { discardLayers } from "../disk/overlay/layers.ts";
import { OverlayDisk } from "../disk/overlay/overlay-disk.ts";
import { endStaleShow } from "../disk/mount-stack.ts";
import { reopenTopLevel, type OpenDisk } from "../disk/open-disk.ts";
import { findUse } from "../disk/mounts.ts";
import { readKernelRelease } from "../host/machine.ts";
import { generationNumbers } from "../options/rwlayer-names.ts";
import {
  planGeneration,
  planInMemory,
  planPresent,
  type FallbackCandidate,
} from "../plan/plan-fallback.ts";
import type { BootCheck } from "../plan/steps.ts";
import { describeAdopted, findRecord } from "../records/rwlayer-state.ts";
import type { RootOutcome } from "./report.ts";

/**
 * Finds an earlier root to boot in place of the one that could not be made.
 * @param facts what was known before the failure
 * @param deployment that was asked for: its own earlier roots come last
 * @returns `undefined` where none may boot, or none can
 */
export async function fallBack(
  context: BootContext,
  disk: OpenDisk,
  facts: DiskFacts | undefined,
  error: unknown,
  deployment: number | undefined,
): Promise<RootOutcome | undefined> {
  const { host, recorder, mergeMount, options } = context;
  const { fallback, generation } = options.disk;
  if (fallback === "none" || generation !== undefined) return undefined;
  const failure = describeFailure(error);
  try {
    // Of the next root, where its unmounting is what failed.
    await recorder.tolerate(() => endStaleShow(host, mergeMount));
    await releaseOverlays(context, disk);
    await reopenTopLevel(context, disk);
    await discardUnfinished(context, disk);
    const candidate = await putFormerInPlace(context, disk, deployment);
    if (candidate === undefined) return undefined;
    const { record, path: from, root } = candidate;
    const { uuid } = record;
    if (facts !== undefined && findRecord(facts.state, uuid) === undefined) {
      // The new root itself: all failed but its last step, which makes its place durable.
      recorder.warn(summarizeFailure(error), failure);
      await recorder.tolerate(() => syncFilesystem(disk));
      return { result: "fresh", uuid, record };
    }
    const restored = from === root ? undefined : from;
    return { result: "fallback", uuid, record, restored, root, failure };
  } catch (cause) {
    recorder.warn(
      `the fallback failed, too: ${summarizeFailure(cause)}`,
      describeFailure(cause),
    );
    return undefined;
  }
}

/**
 * Where the earlier root is that would boot in place of one that cannot be made, relative to the top level. Changes
 * nothing, and takes no lock.
 * @returns `undefined` where none may boot, or none can
 * @throws BootError, HelperError where the disk cannot be looked at
 */
export async function findFormer(
  context: BootContext,
  disk: Disk,
): Promise<string | undefined> {
  const { host, options } = context;
  const { fallback, generation, init } = options.disk;
  if (fallback === "none" || generation !== undefined) return undefined;
  const facts = await disk.readFacts();
  for await (const { path: file } of listCandidates(context, disk, facts))
    if (hasInit(host, await disk.showRoot(file), init)) return file;
  return undefined;
}

/** What was about to be root is not to be renamed under its mount. */
async function releaseOverlays(
  { recorder, topLevel, mounts }: BootContext,
  disk: Disk,
): Promise<void> {
  if (disk.isOverlay) await recorder.tolerate(() => mounts.release(topLevel));
}

/** It may be what has filled the disk: a former root would not find the room that it needs to be mounted. */
async function discardUnfinished(
  { lock, recorder }: BootContext,
  disk: Disk,
): Promise<void> {
  if (!(disk instanceof OverlayDisk) || !lock.isHeld()) return;
  await recorder.tolerate(() => {
    const { staging } = disk.paths;
    const record = disk.readRecord(staging);
    const isOurs = record !== undefined || disk.isBegun(staging);
    const use = findUse(disk, disk.readMounts(), staging, record);
    if (isOurs && use === undefined) disk.removeRoot(staging);
    discardLayers(disk, [], () => false);
  });
}

/**
 * Puts a complete earlier root of ours in the rwlayer's place, where it does not stand there already:
 * the best one that can boot. Where the disk lets none of them be written to, one boots from memory.
 * @returns `undefined` where there is none
 * @throws BootError, HelperError where the disk cannot be looked at
 */
async function putFormerInPlace(
  context: BootContext,
  disk: Disk,
  deployment: number | undefined,
): Promise<FallbackCandidate | undefined> {
  if (!disk.isOverlay) return tryCandidates(context, disk, deployment, false);
  const isAsked = context.options.disk.upper === "tmpfs";
  const candidate = isAsked
    ? undefined
    : await tryCandidates(context, disk, deployment, false);
  if (candidate !== undefined) return candidate;
  const inMemory = await tryCandidates(context, disk, deployment, true);
  if (inMemory !== undefined && !isAsked) {
    context.recorder.warn(
      `${inMemory.path} boots all the same, but what is written to it stays in memory and is lost at the next boot: make room on the disk, or see what is wrong with it, and restart`,
    );
  }
  return inMemory;
}

async function tryCandidates(
  context: BootContext,
  disk: Disk,
  deployment: number | undefined,
  isInMemory: boolean,
): Promise<FallbackCandidate | undefined> {
  const refused = new Set<string>();
  for (;;) {
    // Anew each time: a failure may have come between two renames.
    const facts = await disk.readFacts();
    const candidates = listCandidates(context, disk, facts);
    const candidate = await chooseCandidate(
      context,
      disk,
      deployment,
      selectPossible(context, candidates, refused, isInMemory),
    );
    if (candidate === undefined) return undefined;
    if (await tryCandidate(context, disk, facts, candidate)) return candidate;
    refused.add(candidate.record.uuid);
  }
}

/**
 * The first that has the running kernel's modules; where none has them, the first. One of the deployment comes after others
 * that are no worse.
 */
async function chooseCandidate(
  context: BootContext,
  disk: Disk,
  deployment: number | undefined,
  candidates: AsyncIterable<FallbackCandidate>,
): Promise<FallbackCandidate | undefined> {
  const others: (FallbackCandidate | undefined)[] = [];
  for await (const candidate of candidates) {
    const isOwn =
      deployment !== undefined && candidate.record.deployment === deployment;
    const isWhole = await hasKernel(context, disk, candidate);
    const rank = (isWhole ? 0 : 2) + (isOwn ? 1 : 0);
    if (rank === 0) return candidate;
    others[rank] ??= candidate;
  }
  return others.find((candidate) => candidate !== undefined);
}

/**
 * Those that can be tried, as they are tried. Without the disk's lock none of them is renamed: another process may be
 * doing so.
 * @param refused the UUIDs of those that were
 */
async function* selectPossible(
  context: BootContext,
  candidates: AsyncIterable<FallbackCandidate>,
  refused: ReadonlySet<string>,
  isInMemory: boolean,
): AsyncGenerator<FallbackCandidate> {
  const mayRename = context.lock.isHeld();
  for await (const found of candidates) {
    if (refused.has(found.record.uuid)) continue;
    const candidate = isInMemory
      ? planInMemory(found, checkOf(context))
      : found;
    const { path: from, root } = candidate;
    if (from === root || mayRename) yield candidate;
    else {
      const cause = new BootError(
        "STEP_FAILED",
        "it would be renamed, and the disk's lock is not held",
      );
      warnOfUnbootable(context, from, cause);
    }
  }
}

/** Of one that cannot be looked at, no. */
async function hasKernel(
  { host, recorder }: BootContext,
  disk: Disk,
  { path: file }: FallbackCandidate,
): Promise<boolean> {
  let isWhole = false;
  await recorder.tolerate(async () => {
    const tree = await disk.showRoot(file);
    isWhole = hasModules(host, tree, readKernelRelease(host));
  });
  return isWhole;
}

/** The present rwlayer; then the generations, the newest first, what only stands in for one last. */
async function* listCandidates(
  context: BootContext,
  disk: Disk,
  facts: DiskFacts,
): AsyncGenerator<FallbackCandidate> {
  const { recorder } = context;
  const check = checkOf(context);
  const present = planPresent(facts, check);
  if (present !== undefined) yield present;
  const copies: FallbackCandidate[] = [];
  const names = disk.generationNames();
  for (const number of generationNumbers(names).toReversed()) {
    const file = path.join(disk.paths.generations, String(number));
    try {
      const generation = await disk.inspect(file, facts.state);
      const candidate = planGeneration(facts, names, file, generation, check);
      if (candidate === undefined) continue;
      if (candidate.record.isCopy === true) copies.push(candidate);
      else yield candidate;
    } catch (error) {
      recorder.warn(
        `cannot inspect ${file}: ${summarizeFailure(error)}`,
        describeFailure(error),
      );
    }
  }
  yield* copies;
}

function checkOf({ host, options }: BootContext): BootCheck {
  const { init } = options.disk;
  return { init, kernelRelease: readKernelRelease(host) };
}

async function tryCandidate(
  context: BootContext,
  disk: Disk,
  { paths, state, rwlayer }: DiskFacts,
  { path: from, record: candidate, steps, isAdopted }: FallbackCandidate,
): Promise<boolean> {
  const { recorder } = context;
  await releaseOverlays(context, disk);
  try {
    const mounts = disk.readMounts();
    for (const [file, record] of [
      [from, candidate],
      [paths.rwlayer, rwlayer.record],
    ] as const) {
      const use = findUse(disk, mounts, file, record);
      if (use === undefined) continue;
      throw new BootError("RWLAYER_IN_USE", `${file} is ${use}`);
    }
    await executeSteps(steps, { ...context, disk, state });
    if (isAdopted) recorder.warn(describeAdopted(from, paths));
    return true;
  } catch (error) {
    warnOfUnbootable(context, from, error);
    await releaseOverlays(context, disk);
    return false;
  }
}

function warnOfUnbootable(
  { recorder }: BootContext,
  file: string,
  error: unknown,
): void {
  const warning = `the earlier root ${file} cannot boot: ${summarizeFailure(error)}`;
  if (recorder.warnings.includes(warning)) return;
  recorder.warn(warning, describeFailure(error));
}
