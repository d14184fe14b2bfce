import { MAX_GENERATIONS } from "../options/table.ts";
import {
  isCount,
  isRecord,
  parseJsonObject,
  unreadable,
} from "../base/json-values.ts";
import { isSameOrBelow } from "../base/is-below.ts";
import { parsePath } from "../options/option-values.ts";
import type { RootedBoot } from "./boot-record.ts";
import {
  DOCKROOT_DIRECTORY,
  rwlayerOfGeneration,
} from "../options/rwlayer-names.ts";

/** What `dockroot finish` needs to know of the boot before it. */
export type FinishedBoot = Pick<
  RootedBoot,
  "result" | "limits" | "root" | "rwlayer" | "subvolumeUuid"
>;

/**
 * Reads the text of boot.json, as far as `dockroot finish` acts on it.
 * @returns `undefined` where it tells of a boot that failed
 * @throws BootError FILE_UNREADABLE, INVALID_OPTION where it is not valid
 */
export function parseFinishedBoot(text: string): FinishedBoot | undefined {
  const fields = parseJsonObject(text);
  const { result, subvolumeUuid } = fields;
  switch (result) {
    case "failed":
      return undefined;
    case "generation":
    case "fresh":
    case "kept":
    case "fallback": {
      if (typeof subvolumeUuid !== "string") {
        throw unreadable("it lacks the root's UUID");
      }
      const rwlayer = parseRwlayer(fields["rwlayer"]);
      const root =
        result === "generation"
          ? parseGeneration(fields["root"], rwlayer)
          : rwlayer;
      const limits = parseLimits(fields["limits"]);
      return { result, root, rwlayer, subvolumeUuid, limits };
    }
    default:
      throw unreadable("it does not tell what booted");
  }
}

function parseGeneration(value: unknown, rwlayer: string): string {
  if (typeof value === "string" && rwlayerOfGeneration(value) === rwlayer) {
    return value;
  }
  throw unreadable(`its root is no generation of ${rwlayer}`);
}

/** A path as the options leave it: what is deleted is found by it. */
function parseRwlayer(value: unknown): string {
  if (typeof value !== "string") throw unreadable("it lacks the rwlayer");
  const isUsual = value !== "" && value === parsePath("rwlayer=", value);
  if (isUsual && !isSameOrBelow(value, DOCKROOT_DIRECTORY)) return value;
  throw unreadable(`its rwlayer is ${value}, which names none`);
}

function parseLimits(value: unknown): RootedBoot["limits"] {
  const { generations, fallback, helperTimeoutMs } = isRecord(value)
    ? value
    : {};
  if (
    isCount(generations) &&
    generations <= MAX_GENERATIONS &&
    (fallback === "last" || fallback === "none") &&
    isCount(helperTimeoutMs) &&
    helperTimeoutMs > 0
  ) {
    return { generations, fallback, helperTimeoutMs };
  }
  throw unreadable("its limits are missing or out of range");
}
