import path from "node:path";
import { openDisk, type OpenDisk } from "../disk/open-disk.ts";
import { makeOwnDirectory } from "../disk/run-directory.ts";
import type { Host } from "../host/host.ts";
import { readBootOptions, type BootOptions } from "../options/options.ts";
import type { PlannedBoot } from "../plan/format-plan.ts";
import { planBoot } from "../plan/plan.ts";
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

/**
 * What a boot would do. Mounts read-only and leaves nothing behind.
 * @throws BootError, UsageError
 */
export function planOnly(
  host: Host,
  { files, runDirectory }: BootRequest,
): Promise<PlannedBoot> {
  const options = readBootOptions(gatherOptions(host, files));
  return lookAtDisk(host, options, runDirectory, planOn);
}

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
