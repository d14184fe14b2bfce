import { BootError, HelperError } from "../../runtime/base/errors.ts";
import { formatJson } from "../../runtime/base/escape.ts";
import type { Host } from "../../runtime/host/host.ts";
import type {
  Deployment,
  Deployments,
} from "../../runtime/records/deployments.ts";
import { withBootPlace, type BootPlace } from "../loaders/boot-place.ts";
import { readChosenOnce, whyNeverOnce } from "../loaders/chosen-once.ts";
import { countsStarts } from "../loaders/deployment-menu.ts";
import { isLoaderName } from "../loaders/formats/boot-loader.ts";
import type { StoreChoice } from "../system/find-store.ts";
import type { Disk } from "../../runtime/disk/disk.ts";
import {
  readDeployments,
  recordDurably,
} from "../../runtime/disk/deployments-file.ts";
import { withDeployDisk, type DeployDisk } from "./deploy-disk.ts";
import {
  chooseRetired,
  findDeployment,
  findProtected,
  findRollback,
  inMenu,
  nameDeployment,
  noteBoots,
  retire,
  withChanged,
} from "./plan/deployments.ts";
import type { Teller } from "./pull-first.ts";
import { refuseOtherPlace } from "./refuse-other-disk.ts";
import { restore, restoreLost } from "./restore.ts";
import { findOnce, isShownCounted, noteMenu, settle } from "./settle.ts";
import { warnOfUnclaimed } from "./unclaimed.ts";

/** What a command has made of the deployments. */
export interface Change {
  readonly before: Deployments;
  readonly after: Deployments;
  readonly running: number | undefined;
  readonly once: ChangedOnce;
}

/** Which deployment boots next, once, whatever boots by itself. */
export interface ChangedOnce {
  readonly before: number | undefined;
  readonly after: number | undefined;
}

export interface ChangeRequest {
  readonly store: StoreChoice;
  /** Nothing is written. */
  readonly isDry: boolean;
  /** Gets the state, and gives the new one. */
  readonly decide: (state: Deployments, deploy: DeployDisk) => Deployments;
  /** Chooses what boots next, once; `undefined`: nothing. Without it what was chosen stays. */
  readonly chooseOnce?:
    | ((state: Deployments, deploy: DeployDisk) => Deployment | undefined)
    | undefined;
  /** Whether what is on the disks and of no deployment is warned of. */
  readonly warnsOfUnclaimed: boolean;
  /**
   * What `decide` says of boots that were made, which holds where the menu cannot follow. Nothing is done where the state
   * stays as it is, and what deployments have lost is left for later.
   */
  readonly isBrief?: boolean;
  readonly progress: Teller["progress"];
}

/**
 * Changes which deployments there are, or which one boots next, and makes the menu follow. What deployments have lost is
 * restored.
 * @throws BootError DEPLOYMENT_MISSING where there are none, and what `decide` throws
 */
export async function changeDeployments(
  host: Host,
  request: ChangeRequest,
): Promise<Change> {
  const { store, isDry, decide, chooseOnce, progress } = request;
  return withDeployDisk(host, store, isDry ? "ro" : "rw", async (deploy) => {
    const { running } = deploy;
    const recorded = readDeployments(deploy.disk);
    const before = noteBoots(recorded, running);
    if (isDry) {
      const after = decide(before, deploy);
      const first = chooseOnce?.(before, deploy);
      if (first !== undefined) {
        await withPlaceOf(host, deploy, before, "ro", (place) => {
          refuseNeverOnce(place, first, before);
          return Promise.resolve();
        });
      }
      const once = { before: undefined, after: first?.n };
      return { before, after, running, once };
    }
    const isBrief = request.isBrief ?? false;
    const change = async (place: BootPlace): Promise<Change> => {
      refuseOtherPlace(place, before);
      const { noted, shown } = noteMenu(host, deploy, place, before);
      const wanted = decide(noted, deploy);
      const first = chooseOnce?.(noted, deploy);
      if (first !== undefined) refuseNeverOnce(place, first, noted);
      const next = findDeployment(wanted, wanted.next);
      const isDone =
        recorded.formerNext === undefined &&
        shown?.n === next?.n &&
        !(shown && next && isShownCounted(shown, next)) &&
        formatJson(wanted) === formatJson(recorded);
      const { rwlayer } = deploy.disk.paths;
      const readOnce = ({ next }: Deployments) =>
        readChosenOnce(host, place, rwlayer, next)?.n;
      const onceBefore = readOnce(before);
      const done = (after: Deployments) => {
        const once = { before: onceBefore, after: readOnce(after) };
        return { before, after, running, once };
      };
      if (isBrief && isDone) return done(wanted);
      const toBoot =
        first ?? (wanted.next === recorded.next ? undefined : next);
      if (!isBrief && toBoot !== undefined) {
        await progress(
          `checking kernel and initramfs of ${nameDeployment(toBoot)}`,
          () => restore(host, deploy, place, toBoot),
        );
      }
      const once = chooseOnce && (first?.n ?? null);
      const settled = await settle(
        ...([host, deploy, place, wanted, progress, once] as const),
      );
      if (isBrief) return done(settled);
      await progress("checking kernels and initramfs of deployments", () =>
        restoreLost(host, deploy, place, settled),
      );
      if (request.warnsOfUnclaimed) {
        warnOfUnclaimed(host, deploy, place, settled);
      }
      return done(settled);
    };
    try {
      return await withPlaceOf(host, deploy, before, "rw", change);
    } catch (error) {
      if (isBrief) {
        const { next } = recorded;
        const known = decide({ ...before, next }, deploy);
        await recordBoots(deploy.disk, recorded, known);
      }
      throw error;
    }
  });
}

/** Records what is known of boots, unless that was done before the menu could not be written. */
async function recordBoots(
  disk: Disk,
  recorded: Deployments,
  known: Deployments,
): Promise<void> {
  const present = readDeployments(disk);
  if (formatJson(present) !== formatJson(recorded)) return;
  await recordDurably(disk, known);
}

/** Where the deployments have their menu. @throws as `withBootPlace` */
function withPlaceOf<T>(
  host: Host,
  { store }: DeployDisk,
  { loader, menuFilesystem }: Deployments,
  access: "ro" | "rw",
  work: (place: BootPlace) => Promise<T>,
): Promise<T> {
  const given = isLoaderName(loader) ? loader : undefined;
  const menuUuid = menuFilesystem ?? undefined;
  return withBootPlace(host, { store, given, menuUuid, access }, work);
}

/** @throws BootError ENTRY_UNSUITABLE where the boot loader cannot boot it once */
function refuseNeverOnce(
  place: BootPlace,
  { n }: Deployment,
  state: Deployments,
): void {
  const why = whyNeverOnce(place, findOnce(state) !== undefined);
  if (why === undefined) return;
  throw new BootError(
    "ENTRY_UNSUITABLE",
    `deployment ${String(n)} cannot boot just once: ${why}`,
    {
      hint: `Choose it in the boot menu; or run dockroot rollback ${String(n)}, and dockroot rollback ${String(state.next)} after that.`,
    },
  );
}

/** The deployments as they are; changes nothing. @throws BootError */
export function lookAtDeployments(
  host: Host,
  store: StoreChoice,
): Promise<Pick<Change, "before" | "running">> {
  return withDeployDisk(host, store, "ro", ({ disk, running }) =>
    Promise.resolve({
      before: noteBoots(readDeployments(disk), running),
      running,
    }),
  );
}

/** What the boot loader does next, as far as its menu is seen. */
export interface SeenNext {
  /** The deployment that boots next, once. */
  readonly once: number | undefined;
  /** Whether it counts the boots of a candidate. */
  readonly isCounted: boolean | undefined;
}

/** The same, with what the boot loader does. @throws BootError */
export function lookAtNext(
  host: Host,
  store: StoreChoice,
): Promise<Pick<Change, "before" | "running"> & SeenNext> {
  return withDeployDisk(host, store, "ro", async (deploy) => {
    const { disk, running } = deploy;
    const before = noteBoots(readDeployments(disk), running);
    const { rwlayer } = disk.paths;
    const read = (place: BootPlace): Promise<SeenNext> =>
      Promise.resolve({
        once: readChosenOnce(host, place, rwlayer, before.next)?.n,
        isCounted: countsStarts(place),
      });
    try {
      const seen = await withPlaceOf(host, deploy, before, "ro", read);
      return { before, running, ...seen };
    } catch (error) {
      const isKnown =
        error instanceof BootError || error instanceof HelperError;
      if (!isKnown) throw error;
      return { before, running, once: undefined, isCounted: undefined };
    }
  });
}

/** @throws BootError DEPLOYMENT_MISSING */
export function requireDeployment(state: Deployments, n: number): Deployment {
  const shown = inMenu(state);
  const found = shown.find((deployment) => deployment.n === n);
  if (found !== undefined) return found;
  throw new BootError(
    "DEPLOYMENT_MISSING",
    `there is no deployment ${String(n)}`,
    {
      hint:
        shown.length === 0
          ? "There is none at all: dockroot upgrade makes the first one."
          : `There are: ${shown.map((each) => String(each.n)).join(", ")} (dockroot deployments).`,
    },
  );
}

/** As `findRollback`. @throws BootError DEPLOYMENT_MISSING where there is none */
export function chooseRollback(
  state: Deployments,
  running: number | undefined,
): Deployment {
  const found = findRollback(state, running);
  if (found !== undefined) return found;
  throw new BootError(
    "DEPLOYMENT_MISSING",
    "there is no earlier deployment that has booted",
    {
      hint: "dockroot deployments lists those that there are; dockroot rollback N takes one of them.",
    },
  );
}

export function pin(
  state: Deployments,
  n: number,
  isPinned: boolean,
): Deployments {
  requireDeployment(state, n);
  return withChanged(state, (each) =>
    each.n === n ? { isPinned } : undefined,
  );
}

/** @throws BootError DEPLOYMENT_MISSING, DEPLOYMENT_IN_USE */
export function removeOne(
  state: Deployments,
  n: number,
  running: number | undefined,
): Deployments {
  const found = requireDeployment(state, n);
  const why =
    n === running
      ? "it runs"
      : n === state.next
        ? "it boots next; dockroot rollback N chooses another one"
        : found.isPinned
          ? "it is pinned; dockroot pin --off lets it go"
          : undefined;
  if (why === undefined) return retire(state, [found]);
  throw new BootError(
    "DEPLOYMENT_IN_USE",
    `deployment ${String(n)} is not removed: ${why}`,
  );
}

/** Removes what is past the limit, and all that is bad; what was interrupted goes in any case. */
export function collect(
  state: Deployments,
  running: number | undefined,
): Deployments {
  const stays = findProtected(state, running);
  const bad = inMenu(state).filter(
    ({ n, state: own }) => own === "bad" && !stays.has(n),
  );
  const left = retire(state, bad);
  return retire(left, chooseRetired(left, running));
}
