import path from "node:path";
import type { BootFailure } from "./failure.ts";
import { readKernelRelease } from "./machine.ts";
import { formatJson } from "./host/escape.ts";
import type { Host } from "./host/host.ts";
import { formatImageReference } from "./image-ref.ts";
import type { BootFacts } from "./plan.ts";
import type { Recorder, TimedStep } from "./recorder.ts";
import { abbreviateIds } from "./steps.ts";
import type { TreeCounts } from "./toplayer.ts";
import { version } from "./version.ts";

interface RunFacts {
  readonly dockroot: string;
  readonly node: string;
  readonly kernel: string;
  readonly steps: readonly TimedStep[];
  readonly totalMs: number;
  readonly warnings: readonly string[];
}

/** A new rwlayer stands at its name. Paths on the disk are relative to the top level. */
export interface FreshBoot extends RunFacts {
  readonly version: 1;
  readonly result: "fresh";
  readonly image: {
    readonly reference: string;
    readonly id: string;
    readonly layers: number;
  };
  readonly source: string;
  readonly rwlayer: string;
  readonly subvolumeUuid: string;
  readonly toplayer: (TreeCounts & { readonly name: string }) | null;
  /** How many generations `dockroot finish` is to keep. */
  readonly generations: number;
}

/** Nothing was put in place. */
export interface FailedBoot extends RunFacts {
  readonly version: 1;
  readonly result: "failed";
  readonly failure: BootFailure;
}

/** What `<run-dir>/boot.json` holds. */
export type BootRecord = FreshBoot | FailedBoot;

/** In the run directory. */
export const BOOT_RECORD = "boot.json";
/** Where the top level is mounted between `boot` and `finish`, in the run directory. */
export const TOP_LEVEL_MOUNT = "toplevel";

/** What was done, as it stands in boot.json. */
export function describeFreshBoot(
  host: Host,
  recorder: Recorder,
  {
    facts,
    counts,
    uuid,
    generations,
  }: {
    facts: BootFacts;
    counts: TreeCounts | undefined;
    uuid: string;
    generations: number;
  },
): FreshBoot {
  const { image, reference, topLayer } = facts;
  return {
    version: 1,
    result: "fresh",
    image: {
      reference: formatImageReference(reference),
      id: image.id,
      layers: image.layerCount,
    },
    source: image.source,
    rwlayer: facts.paths.rwlayer,
    subvolumeUuid: uuid,
    toplayer:
      topLayer === undefined || counts === undefined
        ? null
        : { name: topLayer.name, ...counts },
    generations,
    ...describeRun(host, recorder),
  };
}

export function describeFailedBoot(
  host: Host,
  recorder: Recorder,
  failure: BootFailure,
): FailedBoot {
  return {
    version: 1,
    result: "failed",
    failure,
    ...describeRun(host, recorder),
  };
}

/** The record in one line, for the kernel log. */
export function summarizeBoot(record: FreshBoot): string {
  return `${record.image.reference} (${abbreviateIds(record.image.id)}) is in place as ${record.rwlayer}, ${String(record.totalMs)} ms`;
}

export function writeBootRecord(
  host: Host,
  runDirectory: string,
  record: BootRecord,
): void {
  host.files.ensureDirectories(runDirectory);
  host.files.replaceFile(
    path.join(runDirectory, BOOT_RECORD),
    `${formatJson(record)}\n`,
    0o644,
  );
}

function describeRun(host: Host, recorder: Recorder): RunFacts {
  return {
    dockroot: version,
    node: host.nodeVersion,
    kernel: readKernelRelease(host),
    steps: recorder.steps,
    totalMs: recorder.elapsedMs(),
    warnings: recorder.warnings,
  };
}
