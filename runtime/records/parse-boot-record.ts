import { BootError } from "../base/errors.ts";
import type { BootFailure } from "../base/failure.ts";
import { isSameOrBelow } from "../base/is-below.ts";
import {
  isCount,
  isRecord,
  parseJsonObject,
  unreadable,
} from "../base/json-values.ts";
import { parsePath } from "../options/parsers.ts";
import {
  DOCKROOT_DIRECTORY,
  rwlayerOfGeneration,
} from "../options/rwlayer-names.ts";
import { MAX_GENERATIONS } from "../options/table.ts";
import type { BootRecord, RootedBoot, TimedStep } from "./boot-record.ts";
import { parseImageRecord, parseTopLayerRecord } from "./parse-state.ts";

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
  "result" | "limits" | "root" | "rwlayer" | "subvolumeUuid"
>;

/**
 * Reads the text of boot.json, as far as `dockroot finish` acts on it: what is deleted is found by it.
 * @returns `undefined` where it tells of a boot that failed
 * @throws BootError FILE_UNREADABLE where any of it is missing or damaged
 */
export function parseFinishedBoot(text: string): FinishedBoot | undefined {
  const { booted, limits } = parseBootRecord(text);
  const { result, rwlayer, subvolumeUuid } = booted;
  if (result === "failed") return undefined;
  const root = result === "generation" ? booted.root : rwlayer;
  if (root === null || rwlayer === null || subvolumeUuid === null) {
    throw unreadable("its root, rwlayer or subvolumeUuid is not valid");
  }
  if (limits === undefined) {
    throw unreadable("its limits are missing or out of range");
  }
  if (result === "generation" && rwlayerOfGeneration(root) !== rwlayer) {
    throw unreadable(`its root is no generation of ${rwlayer}`);
  }
  return { result, root, rwlayer, subvolumeUuid, limits };
}

const RESULTS: readonly BootRecord["result"][] = [
  "fresh",
  "kept",
  "fallback",
  "generation",
  "failed",
];

/**
 * Reads the text of boot.json; the fields that are not valid are named, the others are kept.
 * @throws BootError FILE_UNREADABLE where it does not tell what booted
 */
export function parseBootRecord(text: string): ParsedBoot {
  const fields = parseJsonObject(text);
  if (fields["version"] !== 1) {
    throw unreadable(
      "it is of another version than 1, which this dockroot knows",
    );
  }
  const result = RESULTS.find((known) => known === fields["result"]);
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

/** `undefined` where the value is not of that kind. */
type Parser<T> = (value: unknown) => T | undefined;

function orNull<T>(parse: Parser<T>): Parser<T | null> {
  return (value) => (value === null ? null : parse(value));
}

function listOf<T>(parse: Parser<T>): Parser<T[]> {
  return (value) => {
    if (!Array.isArray(value)) return undefined;
    const entries = value.map(parse).filter((entry) => entry !== undefined);
    return entries.length === value.length ? entries : undefined;
  };
}

function parseString(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function parseCount(value: unknown): number | undefined {
  return isCount(value) ? value : undefined;
}

function parseDuration(value: unknown): number | undefined {
  return typeof value === "number" && value >= 0 ? value : undefined;
}

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

function parseUuid(value: unknown): string | undefined {
  return typeof value === "string" &&
    /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value)
    ? value
    : undefined;
}

function parseStep(value: unknown): TimedStep | undefined {
  if (!isRecord(value)) return undefined;
  const { step } = value;
  const durationMs = parseDuration(value["durationMs"]);
  return typeof step === "string" && durationMs !== undefined
    ? { step, durationMs }
    : undefined;
}

function parseFailure(value: unknown): BootFailure | undefined {
  if (!isRecord(value)) return undefined;
  const { code, message, hint } = value;
  const causes = listOf(parseString)(value["causes"]);
  return typeof code === "string" &&
    typeof message === "string" &&
    causes !== undefined
    ? { code, message, causes, hint: parseString(hint) }
    : undefined;
}

function parseLimits(value: unknown): RootedBoot["limits"] | undefined {
  if (!isRecord(value)) return undefined;
  const { generations, fallback, helperTimeoutMs } = value;
  return isCount(generations) &&
    generations <= MAX_GENERATIONS &&
    (fallback === "last" || fallback === "none") &&
    isCount(helperTimeoutMs) &&
    helperTimeoutMs > 0
    ? { generations, fallback, helperTimeoutMs }
    : undefined;
}
