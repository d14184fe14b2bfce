import path from "node:path";
import type { BootFacts, OpenDisk } from "../plan/facts.ts";
import { followIn } from "../host/follow-in.ts";
import type { BootContext } from "./boot-context.ts";
import { gatherTopLayer } from "../toplayer/gather-toplayer.ts";
import { planOverSnapshot } from "../toplayer/base-tree.ts";
import type { MergePlan } from "../tree/merge-plan.ts";
import { goArchitecture, formatImageReference } from "../images/image-ref.ts";
import { BootError, PrivateError } from "../base/errors.ts";
import type { Host } from "../host/host.ts";
import { findEngineArtifacts } from "./bootable.ts";
import {
  readSystemOptions,
  type BootOptions,
  type SystemOptions,
} from "../options/options.ts";
import { refuseOverlap } from "../options/overlap.ts";
import { openStore } from "../stores/open-store.ts";
import type { FoundImage } from "../stores/store.ts";
import { findGaps } from "../disk/subvolume-gaps.ts";

/** What is to be root. */
type SystemFacts = Pick<
  BootFacts,
  | "reference"
  | "image"
  | "storePath"
  | "engineArtifacts"
  | "gaps"
  | "topLayer"
  | "merge"
  | "modes"
>;

/**
 * Asks the image store and the top layer for what is to be root.
 * @throws BootError
 */
export async function gatherSystem(
  context: BootContext,
  disk: OpenDisk,
  options: BootOptions,
): Promise<SystemFacts> {
  const { host, recorder, topLevel } = context;
  const { warnings, ...system } = readSystemOptions(options);
  for (const warning of warnings) recorder.warn(warning);
  const storePath = followToTopLevel(
    host,
    topLevel,
    system.storePath,
    "docker_path",
  );
  refuseOverlap({ rwlayer: disk.paths.rwlayer, storePath });
  const image = await findImage(context, storePath, system);
  const source = path.join(topLevel, image.source);
  const facts = {
    reference: system.image,
    image,
    storePath,
    engineArtifacts: findEngineArtifacts(host, source),
    gaps: findGaps(host, source),
    topLayer:
      system.topLayer === undefined
        ? undefined
        : await gatherTopLayer(context, system.topLayer, disk, storePath),
    modes: system,
  };
  // What is made from the image is known already, and this is done while the disk's lock is waited for.
  const merge =
    system.rwlayerMode === "fresh"
      ? await planTopLayer(context, facts, image.source)
      : undefined;
  return { ...facts, merge };
}

/**
 * Plans how the top layer is merged into a snapshot that is not made yet.
 * @param from what that is to be a snapshot of
 * @throws BootError TOPLAYER_UNSUITABLE
 */
export async function planTopLayer(
  { host, recorder, topLevel }: BootContext,
  {
    image,
    engineArtifacts,
    gaps,
    topLayer,
  }: Pick<SystemFacts, "image" | "engineArtifacts" | "gaps" | "topLayer">,
  from: string,
): Promise<MergePlan | undefined> {
  if (topLayer === undefined) return undefined;
  const { layers, record } = topLayer;
  return recorder.time(`plan the merge of the top layer ${record.name}`, () => {
    try {
      return planOverSnapshot(
        host,
        layers,
        path.join(topLevel, from),
        from === image.source
          ? { removed: engineArtifacts, filled: gaps.map((gap) => gap.path) }
          : { hasNested: true },
      );
    } catch (cause) {
      throw new PrivateError(cause);
    }
  });
}

async function findImage(
  { host, recorder, topLevel }: BootContext,
  storePath: string,
  { image: wanted, storeKind }: SystemOptions,
): Promise<FoundImage> {
  const reference = formatImageReference(wanted);
  const image = await recorder.time(
    `find the image ${reference} in ${storePath}`,
    () =>
      openStore({ host, topLevel, path: storePath }, storeKind).find(wanted),
  );
  const machine = goArchitecture(host);
  if (image.architecture !== undefined && image.architecture !== machine) {
    recorder.warn(
      `the image ${reference} is made for ${image.architecture}, this machine is ${machine}`,
    );
  }
  return image;
}

/** A user's path with its symlinks resolved inside the top level. */
function followToTopLevel(
  host: Host,
  topLevel: string,
  file: string,
  option: string,
): string {
  const resolved = followIn(host, topLevel, file);
  if (resolved === undefined) {
    throw new BootError(
      "STORE_MISSING",
      `${option}=${file} leads through symlinks that loop`,
      { hint: `Correct ${option}=, or the symlinks.` },
    );
  }
  return path.relative(topLevel, resolved);
}
