import path from "node:path";
import { isBelow } from "../../runtime/base/is-below.ts";
import { BootError, HelperError } from "../../runtime/base/errors.ts";
import { summarizeFailure } from "../../runtime/base/failure.ts";
import { DEFAULT_RUN_DIRECTORY } from "../../runtime/disk/run-directory.ts";
import type { Host } from "../../runtime/host/host.ts";
import { areBootFilesIntact } from "../deploy/boot-files.ts";
import { withBootPlace } from "../loaders/boot-place.ts";
import {
  withBootPartitions,
  type BootPartitions,
} from "../loaders/boot-volumes.ts";
import { readChosenOnce } from "../loaders/chosen-once.ts";
import {
  countsStarts,
  readDeploymentMenu,
} from "../loaders/deployment-menu.ts";
import { USUAL_RWLAYER } from "../loaders/formats/boot-loader.ts";
import { probeFilesystem, type Filesystem } from "../system/filesystem.ts";
import { findStorePlace, type StorePlace } from "../system/find-store.ts";
import type { BootsNextFacts, StartFacts } from "./rules/facts.ts";

/** The disk with the images, and the boot partitions, as far as they can be looked at. */
export interface BootDisks extends BootPartitions {
  readonly store:
    { readonly place: StorePlace; readonly filesystem: Filesystem } | undefined;
}

export const NO_DISKS: BootDisks = {
  store: undefined,
  mounted: [],
  unseen: [],
};

/** Finds the disk, and mounts boot partitions that are not, for as long as the work takes. */
export async function withBootDisks<T>(
  host: Host,
  work: (disks: BootDisks) => Promise<T>,
): Promise<T> {
  let store: NonNullable<BootDisks["store"]>;
  try {
    const place = await findStorePlace(host, {
      directory: undefined,
      kind: undefined,
    });
    store = { place, filesystem: await probeFilesystem(host, place.device) };
  } catch (error) {
    if (!isKnown(error)) throw error;
    // What is looked at next tells.
    return work(NO_DISKS);
  }
  return withBootPartitions(host, store.filesystem, (partitions) =>
    work({ store, ...partitions }),
  );
}

function isKnown(error: unknown): error is BootError | HelperError {
  return error instanceof BootError || error instanceof HelperError;
}

/**
 * What the boot loader has for its next boot.
 * @returns `undefined` where the rwlayer whose menu it is has none
 */
export async function gatherBootsNext(
  host: Host,
  disks: BootDisks,
  starts: readonly StartFacts[],
): Promise<BootsNextFacts | undefined> {
  const { store } = disks;
  const rwlayer = store?.place.bootedRwlayer ?? USUAL_RWLAYER;
  const known = starts
    .map(({ deployments }) => deployments)
    .find((each) => each?.kind === "read" && each.rwlayer === rwlayer);
  if (store === undefined || known?.kind !== "read") return undefined;
  const { menuOf, next, deployments } = known;
  const seen = starts
    .flatMap(({ entries }) => entries)
    .map(({ deployed }) => deployed?.deployment?.options);
  const unseen = deployments.filter(({ options }) => !seen.includes(options));
  try {
    return await withBootPlace(
      host,
      { store: store.filesystem, ...menuOf, access: "ro" },
      (place) => {
        const menu = readDeploymentMenu(
          host,
          place,
          rwlayer,
          next ?? undefined,
        );
        return Promise.resolve({
          kind: "read" as const,
          ...{ rwlayer, loader: place.loader.title, next: menu.next },
          entries: menu.entries.map(({ n }) => n),
          bootFiles: unseen.map(({ n, kernel }) => ({
            n,
            areIntact: areBootFilesIntact(host, place, kernel),
          })),
          once: readChosenOnce(host, place, rwlayer, next),
          fallsBack: countsStarts(place) || place.loader.name === "efistub",
          readOnly: [...new Set([place.menuTop, place.top])].filter(
            (at) => !isOwnMount(host, at) && host.files.isReadOnly(at),
          ),
          room:
            place.filesystem.uuid === store.filesystem.uuid
              ? undefined
              : {
                  mountPoint: isOwnMount(host, place.top)
                    ? place.filesystem.device
                    : place.top,
                  room: host.files.roomAt(place.top),
                  largestBytes: Math.max(
                    ...deployments.map(({ kernel }) => kernel.bytes),
                  ),
                },
        });
      },
    );
  } catch (error) {
    if (!isKnown(error)) throw error;
    return { kind: "unseen", rwlayer, why: summarizeFailure(error) };
  }
}

/** dockroot mounts read-only what it only looks at. */
function isOwnMount(host: Host, at: string): boolean {
  return isBelow(at, host.path(DEFAULT_RUN_DIRECTORY));
}

/** What a file is called that is seen by a mount which goes. */
export function nameOn({ mounted }: BootPartitions, file: string): string {
  for (const { at, device } of mounted) {
    const below = path.relative(at, file);
    if (below === "") return device;
    if (!below.startsWith("..")) return `/${below} on ${device}`;
  }
  return file;
}
