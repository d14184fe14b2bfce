import path from "node:path";
import { BootError } from "../base/errors.ts";
import { describeFailure, summarizeFailure } from "../base/failure.ts";
import { readDeployments, writeDeployments } from "../disk/deployments-file.ts";
import type { Disk } from "../disk/disk.ts";
import { showKeptImage } from "../disk/kept-images.ts";
import { readKernelRelease } from "../host/machine.ts";
import { readSystemOptions } from "../options/options.ts";
import { countTry, listSubstitutes, markBad } from "../plan/count-try.ts";
import { COUNTED } from "../records/boot-record.ts";
import type { Deployment } from "../records/deployments.ts";
import type { BootContext } from "./boot-context.ts";
import { hasInit, hasModules } from "./bootable.ts";
import type { RootOutcome } from "./report.ts";

/** The boot of a deployment. */
export interface Attempt {
  readonly n: number;
  /** Whether it is known to work. */
  readonly isGood: boolean;
  /** Why it is not to boot any longer. */
  readonly givenUp: BootError | undefined;
}

/** The number of the deployment that boots, where its earlier roots are no better than a new one. */
export function doubtful(attempt: Attempt | undefined): number | undefined {
  return attempt === undefined || attempt.isGood ? undefined : attempt.n;
}

/** A deployment that boots in another's place. */
export interface Substitute {
  readonly deployment: Deployment;
  /** As of `BootFacts`. */
  readonly modulesFrom: string | undefined;
}

/**
 * Decides whether the deployment that is asked for boots, changing nothing.
 * @returns `undefined` where none is asked for, nothing is known of it, or no other one may boot in its place
 * @throws BootError INVALID_OPTION
 */
export function planAttempt(
  { options, recorder }: BootContext,
  disk: Disk,
): Attempt | undefined {
  const { deployment: n } = readSystemOptions(options);
  if (n === undefined || options.disk.fallback === "none") return undefined;
  try {
    const state = readDeployments(disk);
    const { givenUp } = countTry(state, n);
    const isReplaced =
      givenUp !== undefined && listSubstitutes(state, n).length > 0;
    const isGood = state.deployments.some(
      (each) => each.n === n && each.state === "good",
    );
    return {
      n,
      isGood,
      givenUp: isReplaced ? describeBad(givenUp) : undefined,
    };
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    recorder.warn(`boots are not counted: ${summarizeFailure(error)}`);
    return undefined;
  }
}

function describeBad({ n, image, failure }: Deployment): BootError {
  return new BootError(
    "DEPLOYMENT_BAD",
    `deployment ${String(n)} (${image.reference}) does not boot any longer: ${failure ?? "it is bad"}`,
    { hint: `To try it once more: dockroot rollback ${String(n)}.` },
  );
}

/**
 * Counts it, durably: before its root is in place. A mark in the run directory tells the running system that this was
 * done: one that could not be counted is not to restart the machine.
 * @throws BootError, or what the system says
 */
export function countAttempt(
  { host, topLevel }: BootContext,
  disk: Disk,
  { n }: Attempt,
): void {
  const { state } = countTry(readDeployments(disk), n);
  if (state === undefined) return;
  writeDeployments(disk, state);
  const mark = path.join(path.dirname(topLevel), COUNTED);
  host.files.replaceFile(mark, "", 0o644);
}

/**
 * Makes the root of another deployment where that of the one that was asked for cannot or may not boot: of a
 * good one, which gets the running kernel's modules if it has none. A candidate that this happens to is bad: what the
 * two have in common is not to blame.
 * @param make makes the root of a deployment
 * @returns `undefined` where there is none, or its root cannot be made either. Roots that are kept go before
 *   one that is made: they have what was written to them
 */
export async function standIn(
  context: BootContext,
  disk: Disk,
  attempt: Attempt | undefined,
  error: unknown,
  make: (substitute: Substitute) => Promise<RootOutcome>,
): Promise<RootOutcome | undefined> {
  const { recorder, options } = context;
  if (attempt === undefined) return undefined;
  try {
    if (readSystemOptions(options).rwlayerMode === "keep") return undefined;
    const substitute = await findSubstitute(context, disk, attempt);
    if (substitute === undefined) return undefined;
    const { uuid, record } = await make(substitute);
    await recorder.tolerate(() => {
      giveUp(disk, attempt, error);
    });
    const failure = describeFailure(error);
    return { result: "fallback", uuid, record, failure };
  } catch (cause) {
    recorder.warn(
      `another deployment cannot boot in its place: ${summarizeFailure(cause)}`,
      describeFailure(cause),
    );
    return undefined;
  }
}

/** @throws BootError FILE_UNREADABLE */
async function findSubstitute(
  context: BootContext,
  disk: Disk,
  { n, givenUp }: Attempt,
): Promise<Substitute | undefined> {
  const { init } = context.options.disk;
  const state = readDeployments(disk);
  const asked = state.deployments.find((each) => each.n === n);
  if (givenUp === undefined && asked?.state !== "candidate") return undefined;
  const release = readKernelRelease(context.host);
  const look = async (deployment: Deployment) => {
    let tree: string | undefined;
    await context.recorder.tolerate(async () => {
      tree = await showKeptImage(disk, deployment.image.id);
    });
    return {
      deployment,
      isBootable: tree !== undefined && hasInit(context.host, tree, init),
      hasOwn: tree !== undefined && hasModules(context.host, tree, release),
    };
  };
  const seen: Awaited<ReturnType<typeof look>>[] = [];
  for (const each of listSubstitutes(state, n)) seen.push(await look(each));
  const bootable = seen.filter(({ isBootable }) => isBootable);
  const found = bootable.find(({ hasOwn }) => hasOwn) ?? bootable[0];
  if (found === undefined) return undefined;
  const borrows =
    asked !== undefined && !found.hasOwn && (await look(asked)).hasOwn;
  return {
    deployment: found.deployment,
    modulesFrom: borrows ? asked.image.id : undefined,
  };
}

/** @throws BootError FILE_UNREADABLE, or what the system says */
function giveUp(disk: Disk, { n }: Attempt, cause: unknown): void {
  const state = readDeployments(disk);
  const isCandidate = state.deployments.some(
    (each) => each.n === n && each.state === "candidate",
  );
  if (!isCandidate) return;
  const failure = `no root could be made of it: ${summarizeFailure(cause)}`;
  writeDeployments(disk, markBad(state, n, failure));
}
