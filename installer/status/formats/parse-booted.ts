import type { BootFailure } from "../../../runtime/base/failure.ts";
import { BootError } from "../../../runtime/base/errors.ts";
import { isCount, isRecord } from "../../../runtime/base/json-values.ts";
import { parseTopLayerRecord } from "../../../runtime/records/parse-state.ts";
import type {
  TimedStep,
  BootRecord,
  RootedBoot,
} from "../../../runtime/records/boot-record.ts";
import type { BootedStatus } from "./status.ts";

export interface ParsedBoot {
  readonly booted: BootedStatus;
  /** The fields that are missing or damaged; they are `null`, or empty. */
  readonly damaged: readonly string[];
}

const RESULTS: Readonly<Record<BootRecord["result"], true>> = {
  fresh: true,
  kept: true,
  fallback: true,
  generation: true,
  failed: true,
};

/**
 * Reads the text of boot.json; the fields that make no sense are named, the others are kept.
 * @throws BootError FILE_UNREADABLE where it does not tell what booted
 */
export function parseBooted(text: string): ParsedBoot {
  const fields = parseFields(text);
  const { result } = fields;
  if (fields["version"] !== 1) {
    throw new BootError(
      "FILE_UNREADABLE",
      "it is of another version than 1, which this dockroot knows",
    );
  }
  if (!isResult(result)) {
    throw new BootError("FILE_UNREADABLE", "it does not tell what booted");
  }
  const damaged: string[] = [];
  const always = <T>(name: string, parse: Parser<T>): T | null => {
    const value = parse(fields[name]);
    if (value === undefined) damaged.push(name);
    return value ?? null;
  };
  const ofRoot = <T>(name: string, parse: Parser<T>): T | null =>
    result === "failed" ? null : always(name, parse);
  return {
    booted: {
      result,
      image: ofRoot("image", orNull(parseImage)),
      root: ofRoot("root", parsePath),
      rwlayer: ofRoot("rwlayer", parsePath),
      boot: ofRoot("boot", orNull(parseCount)),
      subvolumeUuid: ofRoot("subvolumeUuid", parseUuid),
      device: ofRoot("device", parseString),
      filesystemUuid: ofRoot("filesystemUuid", orNull(parseUuid)),
      source: ofRoot("source", orNull(parseString)),
      toplayer: ofRoot("toplayer", parseTopLayerRecord),
      failure: always(
        "failure",
        result === "fallback" || result === "failed"
          ? parseFailure
          : orNull(parseFailure),
      ),
      restored: ofRoot("restored", orNull(parsePath)),
      warnings: always("warnings", listOf(parseString)) ?? [],
      steps: always("steps", listOf(parseStep)) ?? [],
      totalMs: always("totalMs", parseDuration),
      dockroot: always("dockroot", parseString),
      node: always("node", parseString),
      kernel: always("kernel", parseString),
    },
    damaged,
  };
}

/** `undefined` where the value is not of that kind. */
type Parser<T> = (value: unknown) => T | undefined;

function parseFields(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new BootError("FILE_UNREADABLE", "it is not valid JSON (cut off?)", {
      cause,
    });
  }
  if (isRecord(value)) return value;
  throw new BootError("FILE_UNREADABLE", "it is no JSON object");
}

function isResult(value: unknown): value is BootRecord["result"] {
  return typeof value === "string" && Object.hasOwn(RESULTS, value);
}

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

/** A path that stays below the top level. */
function parsePath(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  const isInside = value
    .split("/")
    .every((part) => !["", ".", ".."].includes(part));
  return isInside && !value.includes("\0") ? value : undefined;
}

function parseUuid(value: unknown): string | undefined {
  return typeof value === "string" &&
    /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value)
    ? value
    : undefined;
}

function parseImage(value: unknown): RootedBoot["image"] | undefined {
  if (!isRecord(value)) return undefined;
  const { reference, id } = value;
  return typeof reference === "string" && typeof id === "string"
    ? { reference, id }
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
