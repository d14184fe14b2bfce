import { abbreviateIds } from "../base/shorten.ts";
import { BootError } from "../base/errors.ts";
import { formatJson } from "../base/escape.ts";
import { withoutDetails, type BootFailure } from "../base/failure.ts";
import { isSameOrBelow } from "../base/is-below.ts";
import { isCount, parseJsonObject, unreadable } from "../base/json-values.ts";
import { parsePath } from "../options/parsers.ts";
import type { DiskOptions } from "../options/options.ts";
import {
  DOCKROOT_DIRECTORY,
  rwlayerOfGeneration,
} from "../options/rwlayer-names.ts";
import { MAX_GENERATIONS } from "../options/table.ts";
import {
  listOf,
  objectOf,
  oneOf,
  orNull,
  parseBoolean,
  parseCount,
  parseString,
  type Parser,
} from "./fields.ts";
import {
  parseImageRecord,
  parseTopLayerRecord,
  type SubvolumeRecord,
  type TopLayerRecord,
} from "./rwlayer-state.ts";

export interface TimedStep {
  readonly step: string;
  readonly durationMs: number;
}

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
   * earlier root, because a new one could not be made. `generation`: the earlier root that was asked for.
   */
  readonly result: "fresh" | "kept" | "fallback" | "generation";
  /** The filesystem's device. */
  readonly device: string;
  /** Of which `device` is a device, as blkid says it: names of devices change. */
  readonly filesystemUuid: string | null;
  /** What the initramfs mounts as root. */
  readonly root: string;
  readonly subvolumeUuid: string;
  /** Whether it is an overlay, not a subvolume. */
  readonly isOverlay: boolean;
  /** The keys of an overlay's layers, the topmost first. `null` of a subvolume. */
  readonly layers: readonly string[] | null;
  readonly rwlayer: string;
  /** The number of the boot that made the root. `null`, as what follows, where that is not known. */
  readonly boot: number | null;
  readonly image: SubvolumeRecord["image"] | null;
  readonly source: string | null;
  /** `null` without a top layer, too. */
  readonly toplayer: TopLayerRecord | null;
  /** The deployment that the root was made for. `null` where its boot named none. */
  readonly deployment: number | null;
  /** Whether the root has the running kernel's modules. `null` where that is not known. */
  readonly hasModules: boolean | null;
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

/** Beside it, where this boot of a candidate was counted. */
export const COUNTED = "counted";

/** Where a root is mounted that is an overlay, in the run directory: what the initramfs mounts as root. */
export const OVERLAY_ROOT = "root";

/** Where what is written to an overlay is, in the run directory, when that is kept in memory. */
export const MEMORY = "upper";

/** Where the top level is mounted between `boot` and `finish`, in the run directory. */
export const TOP_LEVEL_MOUNT = "toplevel";

/**
 * Where the disk of an overlay is mounted as long as the system runs that an initramfs starts. What is below
 * /run/initramfs systemd leaves mounted until it has ended everything, and makes read-only then:
 * elsewhere the disk would be unmounted while root still writes to it.
 * @see https://systemd.io/ROOT_STORAGE_DAEMONS
 */
export const OVERLAY_DISK = "/run/initramfs/dockroot";

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
    fallback: `of boot ${String(record.boot)} is back as`,
    generation: "boots unchanged from",
  }[result];
  return `${system} ${how} ${root}, ${String(totalMs)} ms`;
}

/** The record as JSON, with nothing in it that not everybody may see. */
export function formatBootRecord(record: BootRecord): string {
  const failure = record.failure && withoutDetails(record.failure);
  return formatJson({ ...record, failure });
}

type Unknown =
  "limits" | "result" | "steps" | "version" | "waitedMs" | "warnings";

/** What boot.json tells for people; `null` stands also for what is missing or damaged there. */
export type BootedStatus = {
  readonly [Name in keyof Omit<RootedBoot, Unknown>]: RootedBoot[Name] | null;
} & {
  readonly result: BootRecord["result"];
  readonly warnings: readonly string[];
  readonly steps: readonly TimedStep[];
};

export interface ParsedBoot {
  readonly booted: BootedStatus;
  /** The fields of `booted` that are missing or damaged. */
  readonly damaged: readonly string[];
  readonly limits: RootedBoot["limits"] | undefined;
}

/** What `dockroot finish` needs to know of the boot before it. */
export type FinishedBoot = Pick<
  RootedBoot,
  "result" | "isOverlay" | "limits" | "root" | "rwlayer" | "subvolumeUuid"
> & { readonly layers: readonly string[] };

/**
 * Reads the text of boot.json, as far as `dockroot finish` acts on it: what is deleted is found by it.
 * @returns `undefined` where it tells of a boot that failed
 * @throws BootError FILE_UNREADABLE where any of it is missing or damaged
 */
export function parseFinishedBoot(text: string): FinishedBoot | undefined {
  const { booted, limits } = parseBootRecord(text);
  const { result, rwlayer, subvolumeUuid } = booted;
  if (result === "failed") return undefined;
  const isOverlay = booted.isOverlay === true;
  const isGeneration = rwlayerOfGeneration(booted.root ?? "") === rwlayer;
  const root =
    result === "generation" ||
    (result === "fallback" && isOverlay && isGeneration)
      ? booted.root
      : rwlayer;
  if (root === null || rwlayer === null || subvolumeUuid === null) {
    throw unreadable("its root, rwlayer or subvolumeUuid is not valid");
  }
  if (limits === undefined) {
    throw unreadable("its limits are missing or out of range");
  }
  if (result === "generation" && !isGeneration) {
    throw unreadable(`its root is not a generation of ${rwlayer}`);
  }
  const layers = booted.layers ?? [];
  return { result, isOverlay, layers, root, rwlayer, subvolumeUuid, limits };
}

const parseResult = oneOf<BootRecord["result"]>([
  "fresh",
  "kept",
  "fallback",
  "generation",
  "failed",
]);

/**
 * Reads the text of boot.json; the fields that are not valid are named, the others are kept.
 * @throws BootError FILE_UNREADABLE where it does not tell what booted
 */
export function parseBootRecord(text: string): ParsedBoot {
  const fields = parseJsonObject(text);
  if (fields["version"] !== 1) {
    throw unreadable("its version is not 1, the one that this dockroot knows");
  }
  const result = parseResult(fields["result"]);
  if (result === undefined) throw unreadable("it does not tell what booted");
  const damaged: string[] = [];
  const always = <T>(name: string, parse: Parser<T>): T | null => {
    const value = parse(fields[name]);
    if (value === undefined) damaged.push(name);
    return value ?? null;
  };
  const ofRoot = <T>(name: string, parse: Parser<T>): T | null =>
    result === "failed" ? null : always(name, parse);
  const isFailure = result === "fallback" || result === "failed";
  return {
    booted: {
      result,
      image: ofRoot("image", orNull(parseImageRecord)),
      root: ofRoot("root", parseOwnPath),
      rwlayer: ofRoot("rwlayer", parseRwlayer),
      boot: ofRoot("boot", orNull(parseCount)),
      subvolumeUuid: ofRoot("subvolumeUuid", parseUuid),
      device: ofRoot("device", parseString),
      filesystemUuid: ofRoot("filesystemUuid", orNull(parseUuid)),
      source: ofRoot("source", orNull(parseString)),
      toplayer: ofRoot("toplayer", parseTopLayerRecord),
      // Absent in records of earlier versions.
      isOverlay: parseBoolean(fields["isOverlay"]) ?? null,
      layers: listOf(parseString)(fields["layers"]) ?? null,
      deployment: parseCount(fields["deployment"]) ?? null,
      hasModules: parseBoolean(fields["hasModules"]) ?? null,
      failure: always(
        "failure",
        isFailure ? parseFailure : orNull(parseFailure),
      ),
      restored: ofRoot("restored", orNull(parseOwnPath)),
      warnings: always("warnings", listOf(parseString)) ?? [],
      steps: always("steps", listOf(parseStep)) ?? [],
      totalMs: always("totalMs", parseDuration),
      dockroot: always("dockroot", parseString),
      node: always("node", parseString),
      kernel: always("kernel", parseString),
    },
    damaged,
    limits: parseLimits(fields["limits"]),
  };
}

const parseDuration: Parser<number> = (value) =>
  typeof value === "number" && value >= 0 ? value : undefined;

/** A path as the options leave it. */
function parseOwnPath(value: unknown): string | undefined {
  if (typeof value !== "string" || value === "") return undefined;
  try {
    return value === parsePath("", value) ? value : undefined;
  } catch (error) {
    if (error instanceof BootError) return undefined;
    throw error;
  }
}

function parseRwlayer(value: unknown): string | undefined {
  const file = parseOwnPath(value);
  return file === undefined || isSameOrBelow(file, DOCKROOT_DIRECTORY)
    ? undefined
    : file;
}

const parseUuid: Parser<string> = (value) =>
  /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.exec(
    parseString(value) ?? "",
  )?.[0];

const parseStep = objectOf<TimedStep>({
  step: parseString,
  durationMs: parseDuration,
});

const parseFailureFields = objectOf(
  { code: parseString, message: parseString, causes: listOf(parseString) },
  { hint: parseString },
);

const parseFailure: Parser<BootFailure> = (value) => {
  const failure = parseFailureFields(value);
  return failure && { hint: undefined, ...failure };
};

const parseLimits = objectOf<RootedBoot["limits"]>({
  generations: (value) =>
    isCount(value) && value <= MAX_GENERATIONS ? value : undefined,
  fallback: oneOf(["last", "none"]),
  helperTimeoutMs: (value) => (isCount(value) && value > 0 ? value : undefined),
});
