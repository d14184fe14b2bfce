import type { BootContext } from "./boot-context.ts";
import { concurrently } from "../base/concurrently.ts";
import { findSubvolume } from "../disk/btrfs.ts";
import type { BootFacts, OpenDisk, PathState } from "../plan/facts.ts";
import { gatherSystem, planTopLayer } from "./gather-system.ts";
import type { Host } from "../host/host.ts";
import { readKernelRelease } from "../host/machine.ts";
import type { BootOptions } from "../options/options.ts";
import { chooseOrigin } from "../plan/plan.ts";
import {
  readRwlayer,
  namesOfGenerations,
  readPathState,
} from "../disk/path-state.ts";

/**
 * All that deciding needs to know.
 * @param prepare comes before what is dockroot's own is looked at, and beside the look for the image
 * @throws BootError, and what `prepare` throws
 */
export async function gatherFacts(
  context: BootContext,
  disk: OpenDisk,
  options: BootOptions,
  prepare: () => Promise<void>,
): Promise<BootFacts> {
  // The image is looked for while btrfs tells of what stands there.
  const [own, system] = await concurrently(
    prepare().then(() => gatherOwn(context, disk)),
    gatherSystem(context, disk, options),
  );
  const facts = {
    ...disk,
    ...own,
    ...system,
    init: context.options.init,
    kernelRelease: readKernelRelease(context.host),
  };
  const origin = chooseOrigin(facts);
  if (origin === undefined || facts.merge !== undefined) return facts;
  return { ...facts, merge: await planTopLayer(context, facts, origin.from) };
}

/** What the disk holds of ours. */
async function gatherOwn(
  { host, recorder, topLevel }: BootContext,
  { paths }: OpenDisk,
) {
  const own = await recorder.time(`look at ${paths.rwlayer}`, () =>
    readRwlayer(host, topLevel, paths),
  );
  const staging = await readPathState(host, topLevel, paths.staging, own.state);
  return {
    ...own,
    staging,
    stagingOrigin: await findOrigin(host, topLevel, staging),
    generations: namesOfGenerations(host, topLevel, paths),
  };
}

/** Asked only for a staging that the state file does not know: power failed before it was recorded. */
async function findOrigin(
  host: Host,
  topLevel: string,
  staging: PathState,
): Promise<string | undefined> {
  if (staging.kind !== "subvolume" || staging.record !== undefined) {
    return undefined;
  }
  const { parentUuid } = staging.subvolume;
  return parentUuid === undefined
    ? undefined
    : findSubvolume(host, topLevel, parentUuid);
}
