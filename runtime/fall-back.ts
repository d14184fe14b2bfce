import path from "node:path";
import { executeSteps } from "./execute.ts";
import type { DiskFacts } from "./facts.ts";
import { describeFailure } from "./failure.ts";
import { lookAtRwlayer, standingAt } from "./gather-disk.ts";
import type { GatherRequest } from "./gather-request.ts";
import { readKernelRelease } from "./machine.ts";
import {
  planFallback,
  type FallbackCandidate,
  type StandingGeneration,
} from "./plan-fallback.ts";
import { generationNumbers, type SubvolumeRecord } from "./rwlayer-state.ts";

/** A former root that boots in place of one that could not be made. */
export interface FormerRoot {
  readonly record: SubvolumeRecord;
  /** The generation that was renamed back to the rwlayer's name. */
  readonly restored: string | undefined;
}

/**
 * Puts a complete former root of ours in the rwlayer's place, where it does not stand there already.
 * @returns `undefined` where there is none
 * @throws BootError, HelperError where the disk cannot be looked at
 */
export async function fallBack(
  request: GatherRequest,
  disk: DiskFacts,
): Promise<FormerRoot | undefined> {
  // Anew: the failure may have come between two renames.
  const present = {
    ...disk,
    ...(await lookAtRwlayer(request.host, request.topLevel, disk.paths)),
  };
  const candidates = planFallback(
    present,
    await lookAtGenerations(request, present),
    {
      init: request.options.init,
      kernelRelease: readKernelRelease(request.host),
    },
  );
  for (const candidate of candidates) {
    if (await tryCandidate(request, present, candidate)) {
      const { record, path: from } = candidate;
      const isInPlace = from === present.paths.rwlayer;
      return { record, restored: isInPlace ? undefined : from };
    }
  }
  return undefined;
}

async function tryCandidate(
  { host, recorder, topLevel }: GatherRequest,
  { paths, state }: DiskFacts,
  { path: from, steps }: FallbackCandidate,
): Promise<boolean> {
  try {
    await executeSteps(steps, { host, recorder, topLevel, paths, state });
    return true;
  } catch (error) {
    const { message, causes } = describeFailure(error);
    recorder.warn(
      [`the former root ${from} cannot boot`, message, ...causes].join(": "),
    );
    return false;
  }
}

async function lookAtGenerations(
  { host, topLevel }: GatherRequest,
  { paths, state, generations }: DiskFacts,
): Promise<StandingGeneration[]> {
  const found: StandingGeneration[] = [];
  for (const number of generationNumbers(generations)) {
    const file = path.join(paths.generations, String(number));
    const standing = await standingAt(host, topLevel, file, state);
    if (standing.kind === "subvolume") found.push({ ...standing, path: file });
  }
  return found;
}
