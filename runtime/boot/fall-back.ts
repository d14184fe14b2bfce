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
  for await (const { path: file } of listCandidates(context, disk, facts, true))
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
    const chosen = await chooseCandidate(
      context,
      disk,
      facts,
      refused,
      deployment,
    );
    if (chosen === undefined) return undefined;
    const candidate = isInMemory
      ? planInMemory(chosen, checkOf(context))
      : chosen;
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
  facts: DiskFacts,
  refused: ReadonlySet<string>,
  deployment: number | undefined,
): Promise<FallbackCandidate | undefined> {
  const { lock } = context;
  const others: (FallbackCandidate | undefined)[] = [];
  const isLocked = lock.isHeld();
  for await (const candidate of listCandidates(
    context,
    disk,
    facts,
    isLocked,
  )) {
    if (refused.has(candidate.record.uuid)) continue;
    const isOwn =
      deployment !== undefined && candidate.record.deployment === deployment;
    const isWhole = await hasKernel(context, disk, candidate);
    const rank = (isWhole ? 0 : 2) + (isOwn ? 1 : 0);
    if (rank === 0) return candidate;
    others[rank] ??= candidate;
  }
  return others.find((candidate) => candidate !== undefined);
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

/**
 * The present rwlayer; then the generations, the newest first, what only stands in for one last.
 * @param hasGenerations whether those count: they may be renamed where nobody else does so
 */
async function* listCandidates(
  context: BootContext,
  disk: Disk,
  facts: DiskFacts,
  hasGenerations: boolean,
): AsyncGenerator<FallbackCandidate> {
  const { recorder } = context;
  const check = checkOf(context);
  const present = planPresent(facts, check);
  if (present !== undefined) yield present;
  if (!hasGenerations) return;
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
    const warning = `the earlier root ${from} cannot boot: ${summarizeFailure(error)}`;
    if (!recorder.warnings.includes(warning)) {
      recorder.warn(warning, describeFailure(error));
    }
    await releaseOverlays(context, disk);
    return false;
  }
}
