import {
  parseConfig,
  type ConfigSource,
} from "../../../runtime/options/config.ts";
import {
  DEFAULT_TAG,
  parseImageReference,
  splitReference,
} from "../../../runtime/images/image-ref.ts";
import { isRecord } from "../../../runtime/base/json-values.ts";

/** The configuration as it is to be. */
export interface MadeConfig {
  /** Of /etc/dockroot.json. */
  readonly text: string;
  /** The image that it names; `undefined` where the kernel options have to. */
  readonly image: string | undefined;
  readonly warnings: readonly string[];
}

/**
 * What /etc/dockroot.json is to hold: what is there stays, whichever of the two files it is in.
 * @param source the file that counts now
 * @param image the image that is to be booted, where one is given
 * @throws BootError INVALID_CONFIG, INVALID_REFERENCE
 */
export function makeConfig(
  source: ConfigSource | undefined,
  image: string | undefined,
): MadeConfig {
  const warnings: string[] = [];
  const options = parseConfig(source, warnings);
  const text = source?.text ?? "{}\n";
  if (image === undefined) {
    const present = describeImage(options);
    return { text, image: present, warnings };
  }
  const wanted = splitImage(image);
  const isThere =
    options.get("docker_image") === wanted.docker_image &&
    options.get("docker_tag") === wanted.docker_tag;
  return {
    text: isThere ? text : withImage(text, wanted),
    image: describeImage(new Map(Object.entries(wanted))),
    warnings,
  };
}

/** @throws BootError INVALID_REFERENCE */
function splitImage(image: string): Record<string, string> {
  const { kind } = parseImageReference(image);
  const { name, tag = DEFAULT_TAG, digest } = splitReference(image);
  if (kind === "id" || digest !== undefined) return { docker_image: image };
  return { docker_image: name, docker_tag: tag };
}

function withImage(text: string, image: Record<string, string>): string {
  const parsed: unknown = JSON.parse(text.replace(/^\uFEFF/, ""));
  const { docker_tag: _tag, ...others } = isRecord(parsed) ? parsed : {};
  return `${JSON.stringify({ ...others, ...image }, undefined, 2)}\n`;
}

function describeImage(
  options: ReadonlyMap<string, string>,
): string | undefined {
  const image = options.get("docker_image");
  const tag = options.get("docker_tag");
  return image === undefined || tag === undefined ? image : `${image}:${tag}`;
}
