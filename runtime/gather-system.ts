import path from "node:path";
import { findSubvolume } from "./btrfs.ts";
import type { BootFacts, DiskFacts, Standing } from "./facts.ts";
import { followIn } from "./follow-in.ts";
import type { BootContext } from "./boot-context.ts";
import { gatherTopLayer } from "./gather-toplayer.ts";
import { goArchitecture } from "./go-architecture.ts";
import { BootError } from "./host/errors.ts";
import type { Host } from "./host/host.ts";
import { formatImageReference } from "./image-ref.ts";
import { findLeftOvers } from "./left-overs.ts";
import { readKernelRelease } from "./machine.ts";
import { refuseOverlap } from "./overlap.ts";
import { standingAt } from "./standing.ts";
import { openStore } from "./stores/open-store.ts";
import type { FoundImage } from "./stores/store.ts";
import type { SystemOptions } from "./system-options.ts";

/** Asks the image store and the top layer for what is to be root. @throws BootError */
export async function gatherSystem(
  context: BootContext,
  disk: DiskFacts,
  system: SystemOptions,
): Promise<BootFacts> {
  const { host, topLevel } = context;
  const { paths, state } = disk;
  const storePath = followToTopLevel(
    host,
    topLevel,
    system.storePath,
    "docker_path",
  );
  refuseOverlap({ rwlayer: paths.rwlayer, storePath });
  const image = await findImage(context, storePath, system);
  const staging = await standingAt(host, topLevel, paths.staging, state);
  return {
    ...disk,
    reference: system.image,
    image,
    storePath,
    staging,
    generations: host.files.namesIn(path.join(topLevel, paths.generations)),
    stagingOrigin: await findOrigin(host, topLevel, staging),
    leftOvers: findLeftOvers(host, path.join(topLevel, image.source)),
    topLayer:
      system.topLayer === undefined
        ? undefined
        : await gatherTopLayer(context, system.topLayer, disk, storePath),
    init: context.options.init,
    kernelRelease: readKernelRelease(host),
    modes: system,
  };
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

/** Asked only for a staging that the state file does not know: power failed before it was recorded. */
async function findOrigin(
  host: Host,
  topLevel: string,
  staging: Standing,
): Promise<string | undefined> {
  if (staging.kind !== "subvolume" || staging.record !== undefined) {
    return undefined;
  }
  const { parentUuid } = staging.subvolume;
  return parentUuid === undefined
    ? undefined
    : findSubvolume(host, topLevel, parentUuid);
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
