import path from "node:path";
import { executeSteps } from "./execute.ts";
import type { DiskFacts, OpenDisk } from "./facts.ts";
import { summarizeFailure } from "./failure.ts";
import type { BootContext } from "./boot-context.ts";
import { BootError } from "./host/errors.ts";
import { readKernelRelease } from "./machine.ts";
import { findOtherMount } from "./mounts.ts";
import {
  planGeneration,
  planPresent,
  type FallbackCandidate,
} from "./plan-fallback.ts";
import { generationNumbers, type SubvolumeRecord } from "./rwlayer-state.ts";
import { lookAtRwlayer, standingAt } from "./standing.ts";

/** A former root that boots in place of one that could not be made. */
export interface FormerRoot {
  readonly record: SubvolumeRecord;
  /** The generation that was renamed back to the rwlayer's name. */
  readonly restored: string | undefined;
}

/**
 * Puts a complete former root of ours in the rwlayer's place, where it does not stand there already:
 * the best one that can boot.
 * @returns `undefined` where there is none
 * @throws BootError, HelperError where the disk cannot be looked at
 */
export async function fallBack(
  context: BootContext,
  disk: OpenDisk,
): Promise<FormerRoot | undefined> {
  const { host, topLevel } = context;
  const refused = new Set<string>();
  for (;;) {
    // Anew each time: a failure may have come between two renames.
    const present = {
      ...disk,
      ...(await lookAtRwlayer(host, topLevel, disk.paths)),
    };
    const candidate = await chooseCandidate(context, present, refused);
    if (candidate === undefined) return undefined;
    const { record, path: from } = candidate;
    if (await tryCandidate(context, present, candidate)) {
      const isInPlace = from === present.paths.rwlayer;
      return { record, restored: isInPlace ? undefined : from };
    }
    refused.add(record.uuid);
  }
}

async function chooseCandidate(
  context: BootContext,
  disk: DiskFacts,
  refused: ReadonlySet<string>,
): Promise<FallbackCandidate | undefined> {
  const { host, recorder, topLevel, options } = context;
  const { paths, state } = disk;
  const check = {
    init: options.init,
    kernelRelease: readKernelRelease(host),
  };
  const isOpen = (candidate: FallbackCandidate | undefined) =>
    candidate !== undefined && !refused.has(candidate.record.uuid);
  const present = planPresent(disk, check);
  if (isOpen(present)) return present;
  const names = host.files.namesIn(path.join(topLevel, paths.generations));
  for (const number of generationNumbers(names).toReversed()) {
    const file = path.join(paths.generations, String(number));
    try {
      const standing = await standingAt(host, topLevel, file, state);
      const candidate = planGeneration(
        disk,
        names,
        { ...standing, path: file },
        check,
      );
      if (isOpen(candidate)) return candidate;
    } catch (error) {
      recorder.warn(`cannot look at ${file}: ${summarizeFailure(error)}`);
    }
  }
  return undefined;
}

async function tryCandidate(
  { host, recorder, topLevel }: BootContext,
  { paths, state }: DiskFacts,
  { path: from, steps }: FallbackCandidate,
): Promise<boolean> {
  try {
    for (const file of [from, paths.rwlayer]) {
      const mountPoint = findOtherMount(host, topLevel, file);
      if (mountPoint === undefined) continue;
      throw new BootError(
        "RWLAYER_IN_USE",
        `${file} is mounted at ${mountPoint}`,
      );
    }
    await executeSteps(steps, { host, recorder, topLevel, paths, state });
    return true;
  } catch (error) {
    recorder.warn(
      `the former root ${from} cannot boot: ${summarizeFailure(error)}`,
    );
    return false;
  }
}
