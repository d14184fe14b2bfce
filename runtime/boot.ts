import path from "node:path";
import { executeSteps } from "./execute.ts";
import { describeFailure, type BootFailure } from "./failure.ts";
import {
  gatherFacts,
  gatherOptions,
  readKernelRelease,
  type GatherRequest,
  type OptionFiles,
} from "./gather.ts";
import { BootError } from "./host/errors.ts";
import type { Host } from "./host/host.ts";
import { formatImageReference } from "./image-ref.ts";
import { isInitramfs } from "./initramfs.ts";
import { unmount } from "./mounts.ts";
import { planBoot, type BootFacts } from "./plan.ts";
import {
  createRecorder,
  writeBootRecord,
  type BootRecord,
  type Recorder,
} from "./report.ts";
import { describeStep, type Step } from "./steps.ts";
import { countTree } from "./toplayer.ts";
import { version } from "./version.ts";

export interface BootRequest {
  readonly files: OptionFiles;
  /** Where logs, the record and mount points go; absolute. */
  readonly runDirectory: string;
}

/** What would be done, for `--dry-run`. */
export interface BootPlan {
  readonly facts: BootFacts;
  readonly steps: readonly Step[];
}

/**
 * Makes the rwlayer that the initramfs then mounts as root. The top level stays mounted at
 * `<runDirectory>/toplevel` for `dockroot finish`.
 * @throws BootError, UsageError; what was mounted is released then, and boot.json says why
 */
export async function boot(
  host: Host,
  { files, runDirectory }: BootRequest,
): Promise<BootRecord> {
  const recorder = createRecorder(host);
  const mounted = { points: [] as string[] };
  try {
    if (files.cmdline === undefined) requireInitramfs(host);
    const options = gatherOptions(host, files);
    for (const warning of options.warnings) recorder.warn(warning);

    const topLevel = path.join(runDirectory, "toplevel");
    const facts = await gatherFacts({
      ...{ host, recorder, options, topLevel, mounted, readOnly: false },
      topLayerMount: path.join(runDirectory, "toplayer"),
    });
    const steps = planBoot(facts);
    const { uuid } = await executeSteps(steps, {
      ...{ host, recorder, topLevel },
      ...{ paths: facts.paths, state: facts.state },
    });
    const toplayer = describeTopLayer(host, facts);
    await release(host, mounted.points, topLevel);

    const record: BootRecord = {
      ...describeRun(host),
      result: "fresh",
      ...describeImage(facts),
      rwlayer: facts.paths.rwlayer,
      subvolumeUuid: uuid,
      toplayer,
      finish: { topLevel, generations: options.generations },
      ...describeRecorder(recorder),
    };
    writeBootRecord(host, runDirectory, record);
    host.log.info(summarize(record, facts));
    return record;
  } catch (error) {
    await releaseAfterFailure(host, recorder, mounted.points);
    const failure = describeFailure(error);
    writeFailure(host, runDirectory, recorder, failure);
    host.log.error(failure.message);
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
  const mounted = { points: [] as string[] };
  const scratch = path.join(runDirectory, "dry-run");
  try {
    const options = gatherOptions(host, files);
    for (const warning of options.warnings) recorder.warn(warning);
    const request: GatherRequest = {
      ...{ host, recorder, options, mounted, readOnly: true },
      topLevel: path.join(scratch, "toplevel"),
      topLayerMount: path.join(scratch, "toplayer"),
    };
    const facts = await gatherFacts(request);
    return { facts, steps: planBoot(facts) };
  } finally {
    await release(host, mounted.points);
    host.files.removeEmptyDirectory(scratch);
  }
}

/** The plan for people. */
export function formatPlan({ facts, steps }: BootPlan): string {
  const { image, paths, topLayer } = facts;
  const lines = [
    `image      ${formatImageReference(facts.reference)} (${image.id})`,
    `source     ${image.source}`,
    `rwlayer    ${paths.rwlayer}`,
    `top layer  ${topLayer?.name ?? "none"}`,
    "steps:",
    ...steps.map(
      (step, index) => `  ${String(index + 1)}. ${describeStep(step)}`,
    ),
  ];
  return `${lines.join("\n")}\n`;
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

async function release(
  host: Host,
  points: readonly string[],
  keep?: string,
): Promise<void> {
  for (const point of points.toReversed()) {
    if (point !== keep) await unmount(host, point);
  }
}

/** The first failure is the one to speak of: another one here is only a warning. */
async function releaseAfterFailure(
  host: Host,
  recorder: Recorder,
  points: readonly string[],
): Promise<void> {
  try {
    await release(host, points);
  } catch (error) {
    recorder.warn(describeFailure(error).message);
  }
}

function writeFailure(
  host: Host,
  runDirectory: string,
  recorder: Recorder,
  failure: BootFailure,
): void {
  try {
    writeBootRecord(host, runDirectory, {
      ...describeRun(host),
      result: "failed",
      failure,
      ...describeRecorder(recorder),
    });
  } catch (error) {
    recorder.warn(describeFailure(error).message);
  }
}

function describeRun(
  host: Host,
): Pick<BootRecord, "version" | "dockroot" | "node" | "kernel"> {
  return {
    version: 1,
    dockroot: version,
    node: host.nodeVersion,
    kernel: readKernelRelease(host),
  };
}

function describeImage({
  image,
  reference,
}: BootFacts): Pick<BootRecord, "image" | "source"> {
  return {
    image: {
      reference: formatImageReference(reference),
      id: image.id,
      layers: image.layerCount,
    },
    source: image.source,
  };
}

function describeTopLayer(
  host: Host,
  { topLayer }: BootFacts,
): NonNullable<BootRecord["toplayer"]> | null {
  if (topLayer === undefined) return null;
  return { name: topLayer.name, ...countTree(host, topLayer.at) };
}

function describeRecorder(
  recorder: Recorder,
): Pick<BootRecord, "steps" | "totalMs" | "warnings"> {
  return {
    steps: recorder.steps,
    totalMs: recorder.elapsedMs(),
    warnings: recorder.warnings,
  };
}

function summarize(record: BootRecord, { image, paths }: BootFacts): string {
  return `${record.image?.reference ?? ""} (${image.id}) is in place as ${paths.rwlayer}, ${String(record.totalMs)} ms`;
}
