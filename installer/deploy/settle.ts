import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import { summarizeFailure } from "../../runtime/base/failure.ts";
import type { Host } from "../../runtime/host/host.ts";
import type {
  Deployment,
  Deployments,
  Tries,
} from "../../runtime/records/deployments.ts";
import { parseCmdline } from "../../runtime/options/cmdline.ts";
import { readMenuOf, type BootPlace } from "../loaders/boot-place.ts";
import { readChosenOnce, writeChosenOnce } from "../loaders/chosen-once.ts";
import {
  countsStarts,
  readDeploymentMenu,
  writeDeploymentMenu,
  type DeploymentEntry,
  type ReadDeployment,
} from "../loaders/deployment-menu.ts";
import { bootDirectory, removeBootFiles } from "./boot-files.ts";
import {
  readDeployments,
  recordDurably,
} from "../../runtime/disk/deployments-file.ts";
import { readOtherDeployments, type DeployDisk } from "./deploy-disk.ts";
import { removeKeptImage } from "./kept-images.ts";
import {
  inMenu,
  nameDeployment,
  noteBoots,
  noteCounted,
} from "./plan/deployments.ts";
import type { Teller } from "./pull-first.ts";

/** In the options of a candidate alone, as long as its boots are counted. */
export const RESTART = [
  // The kernel, initramfs-tools, and dockroot in an initramfs of mkinitcpio.
  "panic=30",
  // dracut, which else waits in a shell.
  ...["rd.shell=0", "rd.emergency=reboot"],
];

/**
 * Makes menu, boot files and kept images what the state says, in an order in which each interruption leaves
 * a machine that boots: the state is durable before anything follows it, the menu names what is there, and what no
 * deployment needs any longer goes last. What was interrupted before is brought to its end by the next call:
 *
 * - `staged`: image or boot files may be half made; no entry names them, and they are removed
 * - the state is written, and the menu is not: it has the former entries, all of whose files are there; it is written
 * - `retired`: the entry may be there still, and is removed before its files
 *
 * Where it is not known what the other rwlayers on the disk need, what is `retired` stays so, without its entry.
 *
 * @param once the deployment that boots before `next`, once; `null`: none; `undefined`: the one that was chosen, where
 *   `next` stays the same
 * @returns the state without what was removed
 * @throws BootError, HelperError
 */
export async function settle(
  host: Host,
  { disk, running }: DeployDisk,
  place: BootPlace,
  wanted: Deployments,
  progress: Teller["progress"],
  once?: number | null,
): Promise<Deployments> {
  const former = readDeployments(disk);
  const { rwlayer } = disk.paths;
  const chosen = readChosenOnce(host, place, rwlayer, former.next)?.n;
  const { next } = wanted;
  const isNew = next !== former.next;
  const formerNext =
    former.formerNext ?? (isNew ? (former.next ?? undefined) : undefined);
  await recordDurably(disk, { ...wanted, formerNext });
  const state = { ...wanted, formerNext: undefined };
  const shown = inMenu(state);
  if (next !== null) {
    const entries = shown.map((each) => describeEntry(each, each.n === next));
    const kept = isNew ? undefined : chosen;
    const first = once === undefined ? kept : (once ?? undefined);
    try {
      const fallback = findFallback(state);
      await writeDeploymentMenu(host, place, rwlayer, entries, next, fallback);
      requireWritten(host, place, state, entries, next);
      const isShown = first !== next && shown.some(({ n }) => n === first);
      const chosenNow = isShown ? first : undefined;
      await writeChosenOnce(host, place, rwlayer, next, chosenNow);
    } catch (error) {
      // Nobody is to be told that something boots next which the menu does not have.
      if (isNew) {
        await recordDurably(disk, former).catch((cause: unknown) => {
          host.log.warn(summarizeFailure(cause));
        });
      }
      throw error;
    }
  }
  if (formerNext !== undefined) await recordDurably(disk, state);
  const gone = state.deployments.filter(
    (each) => !shown.includes(each) && each.n !== running,
  );
  if (gone.length === 0) return state;
  const others = readOtherDeployments(disk);
  if (others === undefined) return state;
  const needed = [
    ...state.deployments.filter((each) => !gone.includes(each)),
    ...others,
  ];
  // Those of another disk's deployments, too.
  const { entries, unreadable } = readMenuOf(host, place);
  const kernels = entries.map(({ kernel = "" }) => kernel);
  for (const { file, why } of unreadable) {
    host.log.warn(
      `${file}: ${why}: it may name any kernel, so that no boot files are removed`,
    );
  }
  for (const deployment of gone) {
    const { kernel, image } = deployment;
    await progress(`removing ${nameDeployment(deployment)}`, async () => {
      const isNeeded =
        unreadable.length > 0 ||
        kernels.some((file) => file.includes(kernel.digest)) ||
        needed.some((other) => other.kernel.digest === kernel.digest);
      if (!isNeeded) {
        await removeBootFiles(host, place, kernel);
      }
      if (!needed.some((other) => other.image.id === image.id)) {
        await removeKeptImage(disk, image.id);
      }
    });
  }
  const settled = {
    ...state,
    deployments: state.deployments.filter((each) => !gone.includes(each)),
  };
  await recordDurably(disk, settled);
  return settled;
}

/** What the boot loader has in its menu, and the state with what it has counted there. */
export interface NotedMenu {
  readonly noted: Deployments;
  /** Its entry of what boots next. */
  readonly shown: ReadDeployment | undefined;
}

/** @throws BootError FILE_UNREADABLE */
export function noteMenu(
  host: Host,
  { running }: DeployDisk,
  place: BootPlace,
  state: Deployments,
): NotedMenu {
  const { entries, next } = readMenu(host, place, state);
  const once = findOnce(state);
  // After that start the firmware has forgotten it, and starts the first entry in its order.
  const isUsedUp =
    place.loader.name === "efistub" &&
    once !== undefined &&
    next !== once &&
    running === state.fallback;
  const counted = isUsedUp
    ? [{ n: once, tries: { left: 0, done: 1 } }]
    : entries;
  return {
    noted: noteBoots(noteCounted(state, counted, running), running),
    shown: entries.find(({ n }) => n === next),
  };
}

/** Whether the menu has a deployment's entry still as one of which boots are counted. */
export function isShownCounted(
  shown: ReadDeployment,
  { state, options }: Deployment,
): boolean {
  return (
    state === "good" &&
    shown.options !== options &&
    shown.options === withRestart(options)
  );
}

function readMenu(host: Host, place: BootPlace, state: Deployments) {
  return readDeploymentMenu(host, place, state.rwlayer, findOnce(state));
}

/** What the loader will read is what was meant. @throws BootError STEP_FAILED */
function requireWritten(
  host: Host,
  place: BootPlace,
  state: Deployments,
  entries: readonly DeploymentEntry[],
  next: number,
): void {
  const menu = readMenu(host, place, state);
  const isThere = entries.every(({ n, kernel, initrds, options, tries }) =>
    menu.entries.some(
      (read) =>
        read.n === n &&
        read.kernel === kernel &&
        read.initrds.join(" ") === initrds.join(" ") &&
        read.options === options &&
        (!countsStarts(place) || isSame(read.tries, tries)),
    ),
  );
  if (isThere && menu.next === next) return;
  throw new BootError(
    "STEP_FAILED",
    `the menu of ${place.loader.title} was written, and reads differently: ${isThere ? `it boots ${menu.next === undefined ? "another entry" : `deployment ${String(menu.next)}`} next, not deployment ${String(next)}` : "an entry is missing or different"}`,
    {
      hint: `Look at ${path.join(place.menuTop, place.config)}: something else in it may choose what boots.`,
    },
  );
}

/** Of a candidate the boot loader counts the starts that it makes by itself. */
function describeEntry(
  deployment: Deployment,
  isNext: boolean,
): DeploymentEntry {
  const { n, kernel, options, state, tries } = deployment;
  const directory = bootDirectory(kernel.digest);
  const [linux = "", ...initrds] = kernel.files;
  return {
    n,
    title: nameDeployment(deployment),
    release: kernel.release,
    kernel: `${directory}/${linux}`,
    initrds: initrds.map((name) => `${directory}/${name}`),
    ...(isNext && state === "candidate" && tries !== null
      ? { options: withRestart(options), tries }
      : { options, tries: null }),
  };
}

function isSame(one: Tries | null, other: Tries | null): boolean {
  return one?.left === other?.left && one?.done === other?.done;
}

/** A candidate whose kernel or initramfs gives up is to be started again, or another one in its place. */
export function withRestart(options: string): string {
  const said = parseCmdline(options).map(({ key }) => key);
  const added = RESTART.filter(
    (option) => !said.includes(option.replace(/=.*/, "")),
  );
  return [...added, options].join(" ");
}

/** What boots where the next one has no try left. */
function findFallback(state: Deployments): number | undefined {
  return findOnce(state) === undefined
    ? undefined
    : (state.fallback ?? undefined);
}

/** What boots next, where its boots are counted and another one can boot in its place. */
export function findOnce({
  deployments,
  next,
  fallback,
}: Deployments): number | undefined {
  const found = deployments.find(({ n }) => n === next);
  return found?.state === "candidate" &&
    found.tries !== null &&
    fallback !== null
    ? found.n
    : undefined;
}
