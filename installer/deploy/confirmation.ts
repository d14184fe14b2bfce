import path from "node:path";
import { asFailureOf } from "../../runtime/base/failure.ts";
import { DEFAULT_RUN_DIRECTORY } from "../../runtime/disk/run-directory.ts";
import { followIn } from "../../runtime/host/follow-in.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { Deployment } from "../../runtime/records/deployments.ts";
import type { StoreChoice } from "../system/find-store.ts";
import { readBooted } from "./deploy-disk.ts";
import {
  changeDeployments,
  lookAtDeployments,
  type Change,
} from "./change-deployments.ts";
import {
  confirm,
  findBad,
  findDeployment,
  giveBack,
  nameDeployment,
  noteRestart,
} from "./plan/deployments.ts";

export const CONFIRM_SERVICE = "dockroot-confirm.service";

/** Whether a boot of this tree confirms itself: `dockroot install` was run in it, and nobody has masked its unit. */
export function hasConfirmation(host: Host, tree: string): boolean {
  const kindOf = (directory: string) => {
    const found = followIn(host, tree, `${directory}/${CONFIRM_SERVICE}`);
    return found === undefined ? undefined : host.files.statusOf(found)?.kind;
  };
  const own = kindOf("/etc/systemd/system");
  // It is masked by a link to /dev/null, which is no file.
  return (own ?? kindOf("/usr/lib/systemd/system")) === "file";
}

/** In the run directory: this boot has failed, and stays counted when the system shuts down. */
const FAILED = "failed";

/** pam_motd shows it at each login. */
const MOTD = "/run/motd.d/dockroot";

/**
 * Restarts the machine where what runs has booted in a bad one's place, with that one's kernel: the menu has its own
 * next by now. Once: should the boot loader start the bad one again, it stays so.
 */
export async function restartForOwnKernel(
  host: Host,
  store: StoreChoice,
  { after, confirmed, running }: Confirmation,
): Promise<boolean> {
  const booted = readBooted(host);
  const bad = findBad(after, running);
  const isDue =
    booted?.result === "fallback" &&
    bad !== undefined &&
    bad.hasRestarted !== true &&
    confirmed?.n === after.next &&
    confirmed.kernel.release !== booted.kernel;
  if (!isDue) return false;
  await changeQuietly(host, store, (state) => noteRestart(state, bad.n));
  await restart(host);
  return true;
}

async function restart(host: Host): Promise<void> {
  try {
    await host.run(["systemctl", "reboot"]);
  } catch (error) {
    throw asFailureOf("restart the machine", error);
  }
}

export interface Confirmation extends Change {
  /** What runs; `undefined` where that is no deployment. */
  readonly confirmed: Deployment | undefined;
}

/**
 * The deployment that runs works. Those that proved bad before it came up are told of: where people log in, too.
 * @throws BootError
 */
export async function confirmRunning(
  host: Host,
  store: StoreChoice,
): Promise<Confirmation> {
  const look = await lookAtDeployments(host, store);
  if (look.before.deployments.length === 0) {
    return { ...look, after: look.before, confirmed: undefined };
  }
  const change = await changeQuietly(host, store, (state, running) =>
    running === undefined ? state : confirm(state, running),
  );
  const { after, running } = change;
  const confirmed = findDeployment(after, running ?? null);
  const bad = findBad(after, running);
  const motd = host.path(MOTD);
  if (bad !== undefined && confirmed !== undefined) {
    host.files.ensureDirectories(path.dirname(motd));
    host.files.replaceFile(motd, `${tellOfBad(bad, confirmed)}\n`, 0o644);
  } else if (host.files.statusOf(motd) !== undefined) {
    host.files.removeFile(motd);
  }
  return { ...change, confirmed };
}

/** What everybody is told who comes to a machine that did not boot what it was to boot. */
export function tellOfBad(bad: Deployment, runs: Deployment): string {
  return `dockroot: ${nameDeployment(bad)} is bad: ${bad.failure ?? "it was given up"}. What runs is ${nameDeployment(runs)}.`;
}

/** An orderly shutdown ends a boot that nobody has confirmed yet: it does not count, unless it has failed. */
export async function giveTryBack(
  host: Host,
  store: StoreChoice,
): Promise<void> {
  const candidate = await findCounted(host, store);
  if (candidate === undefined || isFailed(host)) return;
  await changeQuietly(host, store, (state) => giveBack(state, candidate.n));
}

/**
 * The boot of a candidate whose boots are counted has failed: the machine restarts, and this boot stays counted.
 * @throws BootError STEP_FAILED
 */
export async function restartAfterFailure(host: Host): Promise<void> {
  host.files.replaceFile(failedMark(host), "", 0o644);
  await restart(host);
}

/** What runs, where it is a candidate whose boots are counted. */
export async function findCounted(
  host: Host,
  store: StoreChoice,
): Promise<Deployment | undefined> {
  const { before, running } = await lookAtDeployments(host, store);
  const found = findDeployment(before, running ?? null);
  return found?.state === "candidate" && found.tries !== null
    ? found
    : undefined;
}

function failedMark(host: Host): string {
  return host.path(path.join(DEFAULT_RUN_DIRECTORY, FAILED));
}

function isFailed(host: Host): boolean {
  return host.files.statusOf(failedMark(host)) !== undefined;
}

function changeQuietly(
  host: Host,
  store: StoreChoice,
  decide: (
    state: Change["after"],
    running: number | undefined,
  ) => Change["after"],
): Promise<Change> {
  return changeDeployments(host, {
    store,
    isDry: false,
    decide: (state, { running }) => decide(state, running),
    warnsOfUnclaimed: false,
    isBrief: true,
    progress: (_what, work) => work(),
  });
}
