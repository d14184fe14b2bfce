import path from "node:path";
import type { BootContext } from "./boot-context.ts";
import { hasModules } from "./bootable.ts";
import { executeSteps } from "./execute.ts";
import { BootError } from "../base/errors.ts";
import { describeFailure, summarizeFailure } from "../base/failure.ts";
import type { Disk, DiskFacts } from "../disk/disk.ts";
import { findUse } from "../disk/garbage/in-use.ts";
import { readKernelRelease } from "../host/machine.ts";
import { generationNumbers } from "../options/rwlayer-names.ts";
import {
  planGeneration,
  planPresent,
  type FallbackCandidate,
} from "../plan/plan-fallback.ts";
import {
  describeAdopted,
  type SubvolumeRecord,
} from "../records/rwlayer-state.ts";

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
  disk: Disk,
): Promise<FormerRoot | undefined> {
  const refused = new Set<string>();
  for (;;) {
    // Anew each time: a failure may have come between two renames.
    const facts = await disk.readFacts();
    const candidate = await chooseCandidate(context, disk, facts, refused);
    if (candidate === undefined) return undefined;
    const { record, path: from } = candidate;
    if (await tryCandidate(context, disk, facts, candidate)) {
      const isInPlace = from === disk.paths.rwlayer;
      return { record, restored: isInPlace ? undefined : from };
    }
    refused.add(record.uuid);
  }
}

/** The first that has the running kernel's modules; where none has them, the first. */
async function chooseCandidate(
  context: BootContext,
  disk: Disk,
  facts: DiskFacts,
  refused: ReadonlySet<string>,
): Promise<FallbackCandidate | undefined> {
  const { host } = context;
  let first: FallbackCandidate | undefined;
  for await (const candidate of listCandidates(context, disk, facts)) {
    if (refused.has(candidate.record.uuid)) continue;
    const tree = disk.at(candidate.path);
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
  { host, recorder, options, lock }: BootContext,
  disk: Disk,
  facts: DiskFacts,
): AsyncGenerator<FallbackCandidate> {
  const check = {
    init: options.init,
    kernelRelease: readKernelRelease(host),
  };
  const present = planPresent(facts, check);
  if (present !== undefined) yield present;
  if (!lock.isHeld()) return;
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
        `cannot look at ${file}: ${summarizeFailure(error)}`,
        describeFailure(error),
      );
    }
  }
  yield* copies;
}

async function tryCandidate(
  context: BootContext,
  disk: Disk,
  { paths, state, rwlayer }: DiskFacts,
  { path: from, record: candidate, steps, isAdopted }: FallbackCandidate,
): Promise<boolean> {
  const { recorder } = context;
  try {
    const present = rwlayer.kind === "subvolume" ? rwlayer.record : undefined;
    const mounts = disk.readMounts();
    for (const [file, record] of [
      [from, candidate],
      [paths.rwlayer, present],
    ] as const) {
      const use = findUse(disk, mounts, file, record);
      if (use === undefined) continue;
      throw new BootError("RWLAYER_IN_USE", `${file} is ${use}`);
    }
    await executeSteps(steps, { ...context, disk, state });
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
