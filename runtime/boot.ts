import path from "node:path";
import { executeSteps } from "./execute.ts";
import { describeFailure } from "./failure.ts";
import type { BootPlan } from "./format-plan.ts";
import { gatherOptions, type OptionFiles } from "./gather-options.ts";
import type { GatherRequest } from "./gather-request.ts";
import { gatherFacts } from "./gather.ts";
import { BootError, UsageError } from "./host/errors.ts";
import type { Host } from "./host/host.ts";
import { isInitramfs } from "./machine.ts";
import { createMountStack, findOtherMount } from "./mounts.ts";
import type { BootOptions } from "./options.ts";
import { planBoot, type BootFacts } from "./plan.ts";
import { createRecorder, type Recorder } from "./recorder.ts";
import {
  describeFailedBoot,
  describeFreshBoot,
  summarizeBoot,
  TOP_LEVEL_MOUNT,
  writeBootRecord,
  type FreshBoot,
} from "./report.ts";
import { countTree, type TreeCounts } from "./toplayer.ts";

export interface BootRequest {
  readonly files: OptionFiles;
  /** Where logs, the record and mount points go; absolute. */
  readonly runDirectory: string;
}

/**
 * Makes the rwlayer that the initramfs then mounts as root. The top level stays mounted at
 * `<runDirectory>/toplevel` for `dockroot finish`.
 * @throws BootError, UsageError; what was mounted is released then, and boot.json says why
 */
export async function boot(
  host: Host,
  { files, runDirectory }: BootRequest,
): Promise<FreshBoot> {
  const recorder = createRecorder(host);
  const mounts = createMountStack(host);
  const topLevel = path.join(runDirectory, TOP_LEVEL_MOUNT);
  try {
    if (files.cmdline === undefined) requireInitramfs(host);
    const { options, facts } = await gather(
      { host, recorder, mounts, readOnly: false },
      files,
      runDirectory,
    );
    const steps = planBoot(facts);
    refuseInUse(host, topLevel, facts.paths.rwlayer);
    const counts = await countTopLayer(host, recorder, facts);
    const { uuid } = await executeSteps(steps, {
      host,
      recorder,
      topLevel,
      paths: facts.paths,
      state: facts.state,
    });
    const record = describeFreshBoot(host, recorder, {
      facts,
      counts,
      uuid,
      generations: options.generations,
    });
    // The new root is in place: from here on nothing is worth stopping for.
    await recorder.tolerate(() => mounts.release(topLevel));
    await recorder.tolerate(() => {
      writeBootRecord(host, runDirectory, record);
    });
    host.log.info(summarizeBoot(record));
    return record;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const failure = describeFailure(error);
    host.log.error(failure.message);
    await recorder.tolerate(() => mounts.release());
    await recorder.tolerate(() => {
      const record = describeFailedBoot(host, recorder, failure);
      writeBootRecord(host, runDirectory, record);
    });
    throw error;
  }
}

/**
 * Gathers and plans; mounts read-only and leaves nothing behind.
 * @throws BootError, UsageError
 */
export async function planOnly(
  host: Host,
  { files, runDirectory }: BootRequest,
): Promise<BootPlan> {
  const recorder = createRecorder(host);
  const mounts = createMountStack(host);
  const scratch = path.join(runDirectory, `dry-run-${String(host.processId)}`);
  try {
    const { facts } = await gather(
      { host, recorder, mounts, readOnly: true },
      files,
      scratch,
    );
    return { facts, steps: planBoot(facts) };
  } finally {
    await mounts.release();
    host.files.removeUnusedDirectory(scratch);
  }
}

/** @param directory gets the mount points */
async function gather(
  request: Omit<GatherRequest, "options" | "topLevel" | "topLayerMount">,
  files: OptionFiles,
  directory: string,
): Promise<{ options: BootOptions; facts: BootFacts }> {
  const options = gatherOptions(request.host, files);
  for (const warning of options.warnings) request.recorder.warn(warning);
  const facts = await gatherFacts({
    ...request,
    options,
    topLevel: path.join(directory, TOP_LEVEL_MOUNT),
    topLayerMount: path.join(directory, "toplayer"),
  });
  return { options, facts };
}

async function countTopLayer(
  host: Host,
  recorder: Recorder,
  { topLayer }: BootFacts,
): Promise<TreeCounts | undefined> {
  if (topLayer === undefined) return undefined;
  return recorder.time(`read the top layer ${topLayer.name}`, () =>
    countTree(host, topLayer.at),
  );
}

/** The root of a running system must not be replaced under it, nor must another system's. */
function refuseInUse(host: Host, topLevel: string, rwlayer: string): void {
  const mountPoint = findOtherMount(host, topLevel, rwlayer);
  if (mountPoint === undefined) return;
  throw new BootError(
    "RWLAYER_IN_USE",
    `the rwlayer ${rwlayer} is in use: it is mounted at ${mountPoint}`,
    {
      hint: "To see what the next start would do: dockroot boot --dry-run.",
    },
  );
}

function requireInitramfs(host: Host): void {
  if (isInitramfs(host)) return;
  throw new BootError(
    "NOT_INITRAMFS",
    "this is not an initramfs, and a running system's root must not be replaced under it",
    {
      hint: "To see what the next start would do: dockroot boot --dry-run. To try it on another disk: dockroot boot --cmdline FILE.",
    },
  );
}
