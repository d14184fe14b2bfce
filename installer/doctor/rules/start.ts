import type { ConfigSource } from "../../../runtime/options/config.ts";
import {
  describeFailure,
  type BootFailure,
} from "../../../runtime/base/failure.ts";
import { BootError } from "../../../runtime/base/errors.ts";
import {
  overrideImage,
  parseOptions,
  readBootOptions,
  readSystemOptions,
  type BootOptions,
  type Options,
} from "../../../runtime/options/options.ts";
import type { FoundEntry } from "../../loaders/formats/boot-loader.ts";
import type { StartFacts } from "./facts.ts";
import { parseImageReference } from "../../../runtime/images/image-ref.ts";
import { nameEntry } from "./finding.ts";

/** A kernel command line that boots an image, and whose it is. */
export interface Start {
  /** As it stands. */
  readonly cmdline: string;
  /** An image instead of the one that it names. */
  readonly image: string | undefined;
  /** `undefined` for this boot itself. */
  readonly entry: FoundEntry | undefined;
}

type StartOptions =
  | { readonly kind: "read"; readonly options: BootOptions }
  | { readonly kind: "failed" | "incomplete"; readonly failure: BootFailure };

/** What a configuration may say that is not seen here. */
const ANY_CONFIG: ConfigSource = {
  file: "any",
  text: JSON.stringify({ docker_image: "any", docker_path: "any" }),
};

/**
 * The options of a boot, with the image that is named instead of theirs.
 * @throws BootError INVALID_REFERENCE
 */
export function parseStart(
  { cmdline, image }: Start,
  config: ConfigSource | undefined,
): Options {
  const options = parseOptions(cmdline, config);
  return image === undefined
    ? options
    : overrideImage(options, parseImageReference(image));
}

/**
 * Reads the options of a boot as a boot does.
 * @param config that in its initramfs, as far as it is known
 */
export function readStartOptions(
  start: Start,
  config: ConfigSource | undefined,
): StartOptions {
  const options = parseStart(start, config);
  try {
    return { kind: "read", options: readWhole(options) };
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    const isIncomplete = config === undefined && makesSense(start);
    return {
      kind: isIncomplete ? "incomplete" : "failed",
      failure: describeFailure(error),
    };
  }
}

export function describeStart({ entry }: Start): string {
  return entry === undefined
    ? "the kernel options of this boot"
    : nameEntry(entry);
}

/** Starts that come to the same become one. */
export function mergeStarts(starts: readonly StartFacts[]): StartFacts[] {
  const merged = new Map<string, StartFacts>();
  for (const start of starts) {
    const { isThisStart, sources, entries, ...same } = start;
    const key = JSON.stringify(same);
    const known = merged.get(key);
    merged.set(key, {
      ...same,
      isThisStart: isThisStart || known?.isThisStart === true,
      sources: [...(known?.sources ?? []), ...sources],
      entries: [...(known?.entries ?? []), ...entries],
    });
  }
  return [...merged.values()];
}

function makesSense(start: Start): boolean {
  try {
    readWhole(parseStart(start, ANY_CONFIG));
    return true;
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return false;
  }
}

/** @throws BootError */
function readWhole(options: Options): BootOptions {
  readSystemOptions(options);
  return readBootOptions(options);
}
