import path from "node:path";
import { gatherOptions } from "../../runtime/boot/gather-options.ts";
import { lastValues } from "../../runtime/options/cmdline.ts";
import { COUNTED } from "../../runtime/records/boot-record.ts";
import { asFailureOf } from "../../runtime/base/failure.ts";
import { DEFAULT_RUN_DIRECTORY } from "../../runtime/disk/run-directory.ts";
import { followIn } from "../../runtime/host/follow-in.ts";
import type { Host } from "../../runtime/host/host.ts";
import type {
  Deployment,
  Deployments,
} from "../../runtime/records/deployments.ts";
import type { StoreChoice } from "../system/find-store.ts";
import { readBooted, withDeployDisk } from "./deploy-disk.ts";
import { readLastErrors } from "./last-errors.ts";
import { listErrors } from "./plan/format-deployments.ts";
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
  noteErrors,
  noteRestart,
} from "./plan/deployments.ts";

export const CONFIRM_SERVICE = "dockroot-confirm.service";

const SYSTEM_UNITS = "/usr/lib/systemd/system";

/** What confirms a boot: `dockroot install` puts the units there, systemd the rest since its version 240. */
const NEEDED = [
  "/usr/lib/systemd/systemd",
  `${SYSTEM_UNITS}/boot-complete.target`,
  `${SYSTEM_UNITS}/basic.target.d/dockroot.conf`,
];

/** Whether a boot of this tree confirms itself: nobody has masked the unit. */
export function hasConfirmation(host: Host, tree: string): boolean {
  const isFile = (file: string) => kindOf(file) === "file";
  const kindOf = (file: string) => {
    const found = followIn(host, tree, file);
    return found === undefined ? undefined : host.files.statusOf(found)?.kind;
  };
  // It is masked by a link to /dev/null, which is no file.
  const own = `/etc/systemd/system/${CONFIRM_SERVICE}`;
  const unit =
    kindOf(own) === undefined ? `${SYSTEM_UNITS}/${CONFIRM_SERVICE}` : own;
  return [...NEEDED, unit].every(isFile);
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

/** @throws BootError STEP_FAILED */
export async function restart(host: Host): Promise<void> {
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
 * The deployment that runs works, as whoever calls this says. Those that proved bad before it came up are told of: where
 * people log in, too.
 * @param isDue whether somebody says so; else that is left open
 * @throws BootError
 */
export async function confirmRunning(
  host: Host,
  store: StoreChoice,
  isDue: boolean,
): Promise<Confirmation> {
  const look = await lookAtDeployments(host, store);
  // Where dockroot has not made the root, the boot loader is to go on counting.
  const isOwn = isDue || readBooted(host) !== undefined;
  if (look.before.deployments.length === 0 || !isOwn) {
    const once = { before: undefined, after: undefined };
    return { ...look, after: look.before, once, confirmed: undefined };
  }
  const change = await changeQuietly(host, store, (state, running) =>
    running === undefined || !isDue ? state : confirm(state, running),
  );
  const after = await withErrors(host, store, change);
  const { running } = change;
  const confirmed = findDeployment(after, running ?? null);
  const bad = findBad(after, running);
  const motd = host.path(MOTD);
  if (bad !== undefined && confirmed !== undefined) {
    host.files.ensureDirectories(path.dirname(motd));
    host.files.replaceFile(motd, `${tellOfBad(bad, confirmed)}\n`, 0o644);
  } else if (host.files.statusOf(motd) !== undefined) {
    host.files.removeFile(motd);
  }
  return { ...change, after, confirmed };
}

/** Once, and before its root is collected: the reason is to be told as long as the deployment is bad. */
async function withErrors(
  host: Host,
  store: StoreChoice,
  { after, running }: Change,
): Promise<Deployments> {
  const bad = findBad(after, running);
  if (bad === undefined || bad.errors !== undefined) return after;
  const errors = await withDeployDisk(host, store, "ro", ({ disk }) =>
    readLastErrors(host, disk, bad.n),
  );
  const change = await changeQuietly(host, store, (state) =>
    noteErrors(state, bad.n, errors),
  );
  return change.after;
}

/**
 * Whether what runs is confirmed where nobody says that it works: as `dockroot.confirm=` has it, and not where
 * dockroot has not made its root. With `login` a
 * candidate waits, however long it takes, until a person has logged in.
 * @throws BootError
 */
export async function awaitConfirmation(
  host: Host,
  store: StoreChoice,
): Promise<boolean> {
  if (readBooted(host) === undefined) {
    // Its initramfs has mounted a former root: of an image that the kernel command line does not name.
    host.log.warn(
      "dockroot has not made the root that runs: dockroot confirm confirms",
    );
    return false;
  }
  const last = lastValues(gatherOptions(host).kernel);
  const by = last.get("dockroot.confirm");
  if (by !== "login") return by !== "manual";
  const { before, running } = await lookAtDeployments(host, store);
  const state = findDeployment(before, running ?? null)?.state;
  if (state !== "candidate" || (await waitForLogin(host))) return true;
  host.log.warn(
    "dockroot.confirm=login needs systemd-logind, which does not run here: dockroot confirm confirms",
  );
  return false;
}

/** Where systemd-logind has a file for each session; sd_session_get_class(3) reads them, too. */
const SESSIONS = "/run/systemd/sessions";

const MAX_SESSION_BYTES = 64 * 1024;

/** @returns whether a person has: not where nobody keeps sessions */
function waitForLogin({ files, path: pathOf }: Host): Promise<boolean> {
  const directory = pathOf(SESSIONS);
  // With a dot in their names: what is being written, and FIFOs.
  const listSessions = () =>
    files.namesIn(directory).filter((name) => !name.includes("."));
  // Others are those of a greeter, of cron, of systemd's own manager for a user.
  const isPerson = (name: string) =>
    /^CLASS=user(?!-incomplete)/m.test(
      files.readText(path.join(directory, name), MAX_SESSION_BYTES) ?? "",
    );
  return files.waitInDirectory(directory, () => listSessions().some(isPerson));
}

/** What everybody is told who comes to a machine that did not boot what it was to boot. */
function tellOfBad(bad: Deployment, runs: Deployment): string {
  return [
    `dockroot: ${nameDeployment(bad)} is bad: ${bad.failure ?? "it was given up"}. What runs is ${nameDeployment(runs)}.`,
    ...listErrors(bad.errors),
  ].join("\n");
}

/** An orderly shutdown ends a boot that nobody has confirmed yet: it does not count, unless it has failed. */
export async function giveTryBack(
  host: Host,
  store: StoreChoice,
): Promise<void> {
  const candidate = await findCounted(host, store);
  if (candidate === undefined || hasMark(host, FAILED)) return;
  try {
    await changeQuietly(host, store, (state) => giveBack(state, candidate.n));
  } finally {
    // Not twice: where the menu cannot follow, it is given back all the same. A soft reboot is a shutdown, too, and what
    // follows it is not counted.
    host.files.removeFile(markOf(host, COUNTED));
  }
}

/** This boot has failed: it stays counted, whoever restarts the machine. */
export function markFailed(host: Host): void {
  host.files.replaceFile(markOf(host, FAILED), "", 0o644);
}

/** What runs, where it is a candidate, and this boot of it was counted. */
export async function findCounted(
  host: Host,
  store: StoreChoice,
): Promise<Deployment | undefined> {
  if (!hasMark(host, COUNTED)) return undefined;
  const { before, running } = await lookAtDeployments(host, store);
  const found = findDeployment(before, running ?? null);
  return found?.state === "candidate" && found.tries !== null
    ? found
    : undefined;
}

function markOf(host: Host, name: string): string {
  return host.path(path.join(DEFAULT_RUN_DIRECTORY, name));
}

function hasMark(host: Host, name: string): boolean {
  return host.files.statusOf(markOf(host, name)) !== undefined;
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
