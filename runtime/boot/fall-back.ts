import path from "node:path";
import { executeSteps } from "./execute.ts";
import type { DiskFacts, OpenDisk } from "../plan/facts.ts";
import { describeFailure, summarizeFailure } from "../base/failure.ts";
import type { BootContext } from "./boot-context.ts";
import { hasModules } from "./bootable.ts";
import { BootError } from "../base/errors.ts";
import { readKernelRelease } from "../host/machine.ts";
import { findUse } from "../disk/garbage/in-use.ts";
import { readMountsOf } from "../disk/mounts.ts";
import {
  planGeneration,
  planPresent,
  type FallbackCandidate,
} from "../plan/plan-fallback.ts";
import {
  describeAdopted,
  type SubvolumeRecord,
} from "../records/rwlayer-state.ts";
import { generationNumbers } from "../options/rwlayer-names.ts";
import {
  readRwlayer,
  namesOfGenerations,
  readPathState,
} from "../disk/path-state.ts";

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
      ...(await readRwlayer(host, topLevel, disk.paths)),
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

/** The first that has the running kernel's modules; where none has them, the first. */
async function chooseCandidate(
  context: BootContext,
  disk: DiskFacts,
  refused: ReadonlySet<string>,
): Promise<FallbackCandidate | undefined> {
  const { host, topLevel } = context;
  let first: FallbackCandidate | undefined;
  for await (const candidate of listCandidates(context, disk)) {
    if (refused.has(candidate.record.uuid)) continue;
    const tree = path.join(topLevel, candidate.path);
    if (hasModules(host, tree, readKernelRelease(host))) return candidate;
    first ??= candidate;
  }
  return first;
}

/**
 * The present rwlayer; then, where nobody else renames what is on the disk, the generations, the newest first,
 * what only stands in for one last.
 */
async function* listCandidates(
  { host, recorder, topLevel, options, lock }: BootContext,
  disk: DiskFacts,
): AsyncGenerator<FallbackCandidate> {
  const { paths, state } = disk;
  const check = {
    init: options.init,
    kernelRelease: readKernelRelease(host),
  };
  const present = planPresent(disk, check);
  if (present !== undefined) yield present;
  if (!lock.isHeld()) return;
  const copies: FallbackCandidate[] = [];
  const names = namesOfGenerations(host, topLevel, paths);
  for (const number of generationNumbers(names).toReversed()) {
    const file = path.join(paths.generations, String(number));
    try {
      const pathState = await readPathState(host, topLevel, file, state);
      const candidate = planGeneration(
        disk,
        names,
        { ...pathState, path: file },
        check,
      );
      if (candidate === undefined) continue;
      if (candidate.record.isCopy === true) copies.push(candidate);
      else yield candidate;
    } catch (error) {
      recorder.warn(
        `cannot look at ${file}: ${summarizeFailure(error)}`,
        describeFailure(error),
      );
    }
  }
  yield* copies;
}

async function tryCandidate(
  context: BootContext,
  { paths, state, rwlayer }: DiskFacts,
  { path: from, record: candidate, steps, isAdopted }: FallbackCandidate,
): Promise<boolean> {
  const { host, recorder, topLevel } = context;
  try {
    const present = rwlayer.kind === "subvolume" ? rwlayer.record : undefined;
    const mounts = readMountsOf(host, topLevel);
    for (const [file, record] of [
      [from, candidate],
      [paths.rwlayer, present],
    ] as const) {
      const use = findUse(host, mounts, topLevel, file, record);
      if (use === undefined) continue;
      throw new BootError("RWLAYER_IN_USE", `${file} is ${use}`);
    }
    await executeSteps(steps, { ...context, paths, state });
    if (isAdopted) recorder.warn(describeAdopted(from, paths));
    return true;
  } catch (error) {
    recorder.warn(
      `the former root ${from} cannot boot: ${summarizeFailure(error)}`,
      describeFailure(error),
    );
    return false;
  }
}
