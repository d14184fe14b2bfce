import { withoutDetails, type BootFailure } from "../base/failure.ts";
import type { DiskOptions } from "../options/options.ts";
import { formatJson } from "../base/escape.ts";
import type { SubvolumeRecord, TopLayerRecord } from "./rwlayer-state.ts";
import { abbreviateIds } from "../base/shorten.ts";

export interface RunFacts {
  readonly version: 1;
  readonly dockroot: string;
  readonly node: string;
  readonly kernel: string;
  readonly steps: readonly TimedStep[];
  readonly totalMs: number;
  /** How long it waited before that, ready to begin; `null` where it was not told to wait. */
  readonly waitedMs: number | null;
  readonly warnings: readonly string[];
}

/** There is a root to mount. Paths on the disk are relative to the top level. */
export interface RootedBoot extends RunFacts {
  /**
   * `fresh`: a new rwlayer. `kept`: the one that was there, for the image is the same. `fallback`: a
   * former root, for no new one could be made. `generation`: the former root that was asked for.
   */
  readonly result: "fresh" | "kept" | "fallback" | "generation";
  /** The filesystem's device. */
  readonly device: string;
  /** Of which `device` is a device, as blkid says it: names of devices change. */
  readonly filesystemUuid: string | null;
  /** What the initramfs mounts as root. */
  readonly root: string;
  readonly subvolumeUuid: string;
  readonly rwlayer: string;
  /** The number of the boot that made the root. `null`, as what follows, where that is not known. */
  readonly boot: number | null;
  readonly image: SubvolumeRecord["image"] | null;
  readonly source: string | null;
  /** `null` without a top layer, too. */
  readonly toplayer: TopLayerRecord | null;
  /** Why it is a fallback. */
  readonly failure: BootFailure | null;
  /** The generation that a fallback put back in the rwlayer's place. */
  readonly restored: string | null;
  /** What `dockroot finish` is to keep to. */
  readonly limits: {
    readonly generations: number;
    /** Whether a root that is not this one may start. */
    readonly fallback: DiskOptions["fallback"];
    readonly helperTimeoutMs: number;
  };
}

/** There is none. */
export interface FailedBoot extends RunFacts {
  readonly result: "failed";
  readonly failure: BootFailure;
}

/** What `<run-dir>/boot.json` holds. */
export type BootRecord = RootedBoot | FailedBoot;

/** In the run directory. */
export const BOOT_RECORD = "boot.json";

/** Beside it. */
export const BOOT_LOG = "boot.log";

/** Where the top level is mounted between `boot` and `finish`, in the run directory. */
export const TOP_LEVEL_MOUNT = "toplevel";

/** The record in one line, for the kernel log. */
export function summarizeBoot(record: RootedBoot): string {
  const { image, root, result, totalMs } = record;
  const system =
    image === null
      ? "an unknown system"
      : `${image.reference} (${abbreviateIds(image.id)})`;
  const how = {
    fresh: "is in place as",
    kept: "is kept as",
    fallback: `of boot ${String(record.boot)} stands as`,
    generation: "is booted as it is from",
  }[result];
  return `${system} ${how} ${root}, ${String(totalMs)} ms`;
}

/** The record as JSON, with nothing in it that not everybody may see. */
export function formatBootRecord(record: BootRecord): string {
  const failure = record.failure && withoutDetails(record.failure);
  return formatJson({ ...record, failure });
}

export interface TimedStep {
  readonly step: string;
  readonly durationMs: number;
}
