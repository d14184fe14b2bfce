import path from "node:path";
import { findEngineArtifacts } from "./bootable.ts";
import type { BootContext } from "./boot-context.ts";
import { BootError, PrivateError, type ErrorCode } from "../base/errors.ts";
import { summarizeFailure } from "../base/failure.ts";
import { concurrently } from "../base/concurrently.ts";
import type { Disk, PathState } from "../disk/disk.ts";
import type { OpenDisk } from "../disk/open-disk.ts";
import { findKeptImage } from "../disk/kept-images.ts";
import { listMissing } from "../disk/overlay/layers.ts";
import { findGaps } from "../disk/subvolume-gaps.ts";
import { followIn } from "../host/follow-in.ts";
import { readKernelRelease } from "../host/machine.ts";
import {
  formatImageReference,
  goArchitecture,
  parseImageReference,
  type ImageReference,
} from "../images/image-ref.ts";
import { readSystemOptions, type SystemOptions } from "../options/options.ts";
import { RWLAYER_EXAMPLE } from "../options/parsers.ts";
import { refuseOverlap } from "../options/overlap.ts";
import { KEPT_IMAGES } from "../options/rwlayer-names.ts";
import {
  describeOptions,
  imageOptions,
  withSources,
} from "../options/sources.ts";
import type { BootFacts } from "../plan/facts.ts";
import { chooseOrigin } from "../plan/plan.ts";
import type { Substitute } from "./attempt.ts";
import { openStore } from "../stores/open-store.ts";
import type { RootImage, StoreLocation } from "../stores/store.ts";
import type { StoreKind } from "../options/table.ts";
import { planOverSnapshot } from "../toplayer/snapshot-tree.ts";
import { gatherTopLayer } from "../toplayer/gather-toplayer.ts";

/**
 * All that deciding needs to know.
 * @param prepare comes before what is dockroot's own is looked at, and beside the look for the image
 * @param substitute whose image is taken in the place of the one that the options name
 * @throws BootError, and what `prepare` throws
 */
export async function gatherFacts(
  context: BootContext,
  disk: OpenDisk,
  prepare?: () => Promise<void>,
  substitute?: Substitute,
): Promise<BootFacts> {
  // The image is looked for while btrfs tells of what stands there.
  const [own, system] = await concurrently(
    Promise.resolve(prepare?.()).then(() => gatherOwn(context, disk)),
    gatherSystem(context, disk, substitute),
  );
  const facts = {
    device: disk.device,
    isReadOnly: disk.isReadOnly,
    ...own,
    ...system,
    // Another dockroot may have removed some before the lock was taken.
    missingLayers: listMissing(disk, system.image.layers ?? []),
    modulesFrom: substitute?.modulesFrom,
    init: context.options.disk.init,
    kernelRelease: readKernelRelease(context.host),
  };
  const origin = chooseOrigin(facts);
  if (origin === undefined) {
    // An overlay that is kept is of the same image, and is not mounted yet.
    const tree = disk.isOverlay ? facts.tree : disk.at(disk.paths.rwlayer);
    return { ...facts, tree };
  }
  const { from } = origin;
  const isOfImage = from === facts.image.source;
  const tree = isOfImage ? facts.tree : await disk.showRoot(from);
  if (facts.merge !== undefined) return { ...facts, tree };
  const merge = await planTopLayer(context, facts, tree, isOfImage);
  return { ...facts, tree, merge };
}

/** What the disk holds of ours. */
async function gatherOwn({ recorder }: BootContext, disk: Disk) {
  const { paths } = disk;
  const own = await recorder.time(`look at ${paths.rwlayer}`, () =>
    disk.readFacts(),
  );
  const staging = await disk.inspect(paths.staging, own.state);
  return {
    ...own,
    staging,
    stagingOrigin: await findOrigin(disk, staging),
    generations: disk.generationNames(),
  };
}

/** Asked only for a staging that the state file does not know: power failed before it was recorded. */
async function findOrigin(
  disk: Disk,
  staging: PathState,
): Promise<string | undefined> {
  if (staging.kind !== "subvolume" || staging.record !== undefined) {
    return undefined;
  }
  const { parentUuid } = staging.subvolume;
  return parentUuid === undefined ? undefined : disk.findSubvolume(parentUuid);
}

/** Asks the image store and the top layer for what is to be root. @throws BootError */
async function gatherSystem(
  context: BootContext,
  disk: OpenDisk,
  substitute: Substitute | undefined,
) {
  const { host, recorder, options } = context;
  const { warnings, ...asked } = readSystemOptions(options);
  const system =
    substitute === undefined
      ? asked
      : {
          ...asked,
          deployment: substitute.deployment.n,
          image: parseImageReference(substitute.deployment.image.id),
        };
  const { topLayer } = system;
  for (const warning of warnings) recorder.warn(warning);
  const { image, storePath } = await findImage(context, disk, system);
  const { layers } = image;
  const tree =
    layers === undefined
      ? disk.at(image.source)
      : await recorder.time(
          `show the ${String(layers.length)} layers of the image`,
          () => disk.showImage(image),
        );
  const facts = {
    reference: system.image,
    image,
    tree,
    storePath,
    engineArtifacts: findEngineArtifacts(host, tree),
    gaps: layers === undefined ? findGaps(host, tree) : [],
    topLayer:
      topLayer === undefined
        ? undefined
        : await withSources(options, TOP_LAYER_OPTIONS, () =>
            gatherTopLayer(context, topLayer, disk, storePath),
          ),
    modes: { ...system, upper: options.disk.upper },
  };
  // What is made from the image is known already, and this is done while the disk's lock is waited for.
  const merge =
    system.rwlayerMode === "fresh" || options.disk.upper === "tmpfs"
      ? await planTopLayer(context, facts, tree, true)
      : undefined;
  return { ...facts, merge };
}

/**
 * Plans how the top layer is merged into a root that is not made yet.
 * @param tree what that is to begin as; absolute
 * @param isOfImage whether that is the image
 * @returns an error where it cannot be merged: what is wrong with the disk is told before that
 */
async function planTopLayer(
  { host, recorder }: BootContext,
  {
    image,
    engineArtifacts,
    gaps,
    topLayer,
  }: Pick<BootFacts, "image" | "engineArtifacts" | "gaps" | "topLayer">,
  tree: string,
  isOfImage: boolean,
): Promise<BootFacts["merge"]> {
  if (topLayer === undefined) return undefined;
  const { layers, record } = topLayer;
  const step = `plan the merge of the top layer ${record.name}`;
  try {
    return await recorder.time(step, () => {
      try {
        return planOverSnapshot(host, layers, tree, {
          isSnapshot: image.layers === undefined,
          ...(isOfImage
            ? { removed: engineArtifacts, filled: gaps.map(({ path }) => path) }
            : { hasNested: true }),
        });
      } catch (cause) {
        throw new PrivateError(cause);
      }
    });
  } catch (error) {
    if (error instanceof BootError) return error;
    throw error;
  }
}

/** The store's directory with its symlinks resolved inside the top level. */
function followStorePath({ host, topLevel }: Disk, file: string): string {
  const resolved = followIn(host, topLevel, file);
  if (resolved !== undefined) return path.relative(topLevel, resolved);
  throw new BootError(
    "STORE_MISSING",
    `docker_path=${file} leads through symlinks that loop`,
    { hint: "Correct docker_path=, or the symlinks." },
  );
}

const STORE_OPTIONS = ["docker_path", "store_path", "dockroot.store"] as const;

const TOP_LAYER_OPTIONS = [
  "toplayer",
  "toplayerfstype",
  "toplayerflags",
  "toplayer_path",
] as const;

type SystemPlace = Pick<
  SystemOptions,
  "deployment" | "image" | "storeKind" | "storePath"
>;

/** An image, and where it was found. */
type FoundPlace = Pick<BootFacts, "image" | "storePath">;

/**
 * A deployment's image is one of those that dockroot keeps; others are in the engine's store, and one
 * that is lost there is taken from the kept ones, too.
 */
async function findImage(
  context: BootContext,
  disk: OpenDisk,
  system: SystemPlace,
): Promise<FoundPlace> {
  const { host, recorder } = context;
  const found = await chooseImage(context, disk, system);
  const { architecture } = found.image;
  const machine = goArchitecture(host);
  if (architecture !== undefined && architecture !== machine) {
    recorder.warn(
      `the image ${formatImageReference(system.image, found.image)} is made for ${architecture}, this machine is ${machine}`,
    );
  }
  return found;
}

async function chooseImage(
  context: BootContext,
  disk: OpenDisk,
  system: SystemPlace,
): Promise<FoundPlace> {
  const { recorder } = context;
  const { image: wanted, deployment } = system;
  const reference = formatImageReference(wanted);
  const findKept = () =>
    recorder.time(`find the image ${reference} in ${KEPT_IMAGES}`, () => {
      const image = findKeptImage(disk, wanted);
      return image && { image, storePath: KEPT_IMAGES };
    });
  if (deployment !== undefined) {
    const kept = await findKept();
    if (kept !== undefined) return kept;
    recorder.warn(
      `the image ${reference} of deployment ${String(deployment)} is not in ${KEPT_IMAGES}: the image store is asked for it`,
    );
  }
  try {
    return await findInStore(context, disk, system);
  } catch (error) {
    if (!(error instanceof BootError) || !LOST.has(error.code)) throw error;
    const kept = deployment === undefined ? await findKept() : undefined;
    if (kept === undefined) throw error;
    recorder.warn(
      `the image store has lost the image, and the one that dockroot kept is taken: ${summarizeFailure(error)}`,
    );
    return kept;
  }
}

/** What a store says that does not have an image, or no longer all of it. */
const LOST: ReadonlySet<string> = new Set<ErrorCode>([
  "IMAGE_MISSING",
  "IMAGE_NOT_UNPACKED",
  "SOURCE_MISSING",
  "STORE_DAMAGED",
  "STORE_MISSING",
  "STORE_UNSUPPORTED",
]);

async function findInStore(
  { host, recorder, topLevel, options }: BootContext,
  disk: OpenDisk,
  { image: wanted, storeKind, storePath: named }: SystemPlace,
): Promise<FoundPlace> {
  const storePath = await withSources(options, STORE_OPTIONS, () => {
    const followed = followStorePath(disk, named);
    refuseOverlap({ rwlayer: disk.paths.rwlayer, storePath: followed });
    return followed;
  });
  const names = [...imageOptions(options, wanted), ...STORE_OPTIONS];
  host.log.info(`the image is named by ${describeOptions(options, names)}`);
  const reference = formatImageReference(wanted);
  const image = await withSources(options, names, () =>
    recorder.time(`find the image ${reference} in ${storePath}`, () =>
      findRootImage(
        { host, topLevel, path: storePath },
        storeKind,
        wanted,
        disk.isOverlay,
      ),
    ),
  );
  return { image, storePath };
}

/**
 * An image in a store, of which a root of that kind can be made.
 * @param kind of the store, where that was said
 * @throws BootError
 */
export function findRootImage(
  location: StoreLocation,
  kind: StoreKind | undefined,
  wanted: ImageReference,
  isOverlay: boolean,
): RootImage {
  if (!isOverlay) return openStore(location, kind).findRoot(wanted);
  const { tree, ...image } = openStore(location, kind, "layers").find(wanted);
  if (tree.kind === "subvolume") {
    throw new BootError(
      "INVALID_OPTION",
      "rootflags= has no subvol=NAME, and the image's layers are subvolumes",
      { hint: RWLAYER_EXAMPLE },
    );
  }
  const { layers } = tree;
  return { ...image, layers, source: layers[0]?.directory ?? "" };
}
