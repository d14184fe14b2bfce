import path from "node:path";
import { openDisk, type OpenDisk } from "../disk/open-disk.ts";
import { makeOwnDirectory } from "../disk/run-directory.ts";
import type { Host } from "../host/host.ts";
import { readBootOptions, type BootOptions } from "../options/options.ts";
import type { PlannedBoot } from "../plan/format-plan.ts";
import { planBoot } from "../plan/plan.ts";
import { describeMissingModules, listKernels } from "./bootable.ts";
import type { BootRequest } from "./boot.ts";
import { createBootContext, type BootContext } from "./boot-context.ts";
import { bootGeneration } from "./make-root.ts";
import { gatherFacts } from "./gather-facts.ts";
import { gatherOptions } from "./gather-options.ts";
import { createRecorder } from "./recorder.ts";

/**
 * Mounts the disk that the options name, read-only and for as long as the work takes.
 * @param runDirectory gets the mount points; absolute
 * @throws BootError, and what the work throws
 */
export async function lookAtDisk<T>(
  host: Host,
  options: BootOptions,
  runDirectory: string,
  work: (context: BootContext, disk: OpenDisk) => Promise<T>,
): Promise<T> {
  const recorder = createRecorder(host);
  const scratch = path.join(runDirectory, `dry-run-${String(host.processId)}`);
  const context = createBootContext(host, recorder, options, scratch);
  try {
    for (const warning of options.warnings) recorder.warn(warning);
    makeOwnDirectory(host, scratch);
    return await work(context, await openDisk(context));
  } finally {
    await context.mounts.release();
    host.files.removeUnusedDirectory(scratch);
  }
}

/** What a boot would do, as far as it can be told before it. */
export interface PlannedOnly {
  readonly planned: PlannedBoot;
  /** Whether the root would have no modules at all, and the running kernel has its drivers in modules. */
  readonly isWithoutDrivers: boolean;
}

/**
 * What a boot would do. Mounts read-only and leaves nothing behind.
 * @throws BootError, UsageError
 */
export function planOnly(
  host: Host,
  { files, runDirectory }: BootRequest,
): Promise<PlannedOnly> {
  const options = readBootOptions(gatherOptions(host, files));
  return lookAtDisk(host, options, runDirectory, async (context, disk) => {
    const planned = await planOn(context, disk);
    return planned.kind === "root"
      ? checkModules(context, planned)
      : { planned, isWithoutDrivers: false };
  });
}

/** Warns of modules that the root would lack: a boot looks for them in the root that it has made. */
function checkModules(
  { host }: BootContext,
  { kind, facts, plan }: PlannedBoot & { kind: "root" },
): PlannedOnly {
  const { topLayer, tree, kernelRelease } = facts;
  const layers = (topLayer?.layers ?? []).map(({ at }) => at);
  const releases = [
    tree,
    ...layers,
    ...layers.map((at) => path.join(at, "usr")),
  ].flatMap((each) => listKernels(host, each));
  if (releases.includes(kernelRelease)) {
    return { planned: { kind, facts, plan }, isWithoutDrivers: false };
  }
  const warning = describeMissingModules("the new root", kernelRelease);
  const warnings = [...plan.warnings, warning];
  return {
    planned: { kind, facts, plan: { ...plan, warnings } },
    isWithoutDrivers:
      releases.length === 0 &&
      host.files.statusOf(host.path(BTRFS_MODULE)) !== undefined,
  };
}

/** It is there for what is loaded as a module, and not for what is built in. */
const BTRFS_MODULE = "/sys/module/btrfs/initstate";

/** What a boot would do with a disk that is open. @throws BootError */
export async function planOn(
  context: BootContext,
  disk: OpenDisk,
): Promise<PlannedBoot> {
  const { generation } = context.options.disk;
  if (generation !== undefined) {
    await bootGeneration(context, disk, generation);
    return { kind: "generation", generation };
  }
  const facts = await gatherFacts(context, disk);
  return { kind: "root", facts, plan: planBoot(facts) };
}
