import {
  CONFIG_FILES,
  parseConfig,
  type ConfigSource,
} from "../../../runtime/options/config.ts";
import {
  DEFAULT_TAG,
  parseImageReference,
  splitReference,
} from "../../../runtime/images/image-ref.ts";
import { withoutMark } from "../../../runtime/base/decode-text.ts";
import { isRecord } from "../../../runtime/base/json-values.ts";

/** The configuration as it is to be. */
export interface MadeConfig {
  /** The file that counts then. */
  readonly file: string;
  /** Whether it is dockroot's own: the former hook's is not written to. */
  readonly isOurs: boolean;
  /** What it is to hold. */
  readonly text: string;
  /** The image that it names; `undefined` where the kernel options have to. */
  readonly image: string | undefined;
  readonly warnings: readonly string[];
}

/**
 * What the configuration is to hold. A file that says already what it is to say is left to its user: a
 * copy of /etc/docker-btrfs.json would keep what is written there later from having an effect.
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
  const [own, formerFile] = CONFIG_FILES;
  const { file, text } = source ?? { file: own, text: "{}\n" };
  const present = { file, text, isOurs: file !== formerFile, warnings };
  if (image === undefined) return { ...present, image: describeImage(options) };
  const wanted = splitImage(image);
  const isThere =
    options.get("docker_image") === wanted.docker_image &&
    options.get("docker_tag") === wanted.docker_tag;
  const named = describeImage(new Map(Object.entries(wanted)));
  if (isThere) return { ...present, image: named };
  if (!present.isOurs) {
    warnings.push(
      `${own} gets what ${file} says, with this image; what is written into ${file} from now on has no effect`,
    );
  }
  return {
    file: own,
    text: withImage(text, wanted),
    isOurs: true,
    image: named,
    warnings,
  };
}

/** @throws BootError INVALID_REFERENCE */
function splitImage(image: string): Record<string, string> {
  const reference = parseImageReference(image);
  const { name, tag = DEFAULT_TAG, digest } = splitReference(image);
  const isExact =
    reference.kind === "id" ||
    digest !== undefined ||
    reference.idPrefix !== undefined;
  if (isExact) return { docker_image: image };
  return { docker_image: name, docker_tag: tag };
}

function withImage(text: string, image: Record<string, string>): string {
  const parsed: unknown = JSON.parse(withoutMark(text));
  const { docker_tag: _tag, ...others } = isRecord(parsed) ? parsed : {};
  return `${JSON.stringify({ ...others, ...image }, undefined, 2)}\n`;
}

function describeImage(
  options: ReadonlyMap<string, string>,
): string | undefined {
  const image = options.get("docker_image");
  const tag = options.get("docker_tag");
  if (image === undefined || tag === undefined) return image;
  // An ID has no tag, though one may stand beside it from the image before.
  const isId = /^(?:sha256:)?[0-9a-f]+$/.test(image) && tag === DEFAULT_TAG;
  return isId ? image : `${image}:${tag}`;
}
