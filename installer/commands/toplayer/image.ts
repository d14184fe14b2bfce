import path from "node:path";
import { parseCmdline, lastValues } from "../../../runtime/cmdline.ts";
import { parseConfig } from "../../../runtime/config.ts";
import { readOptionTexts } from "../../../runtime/gather-options.ts";
import { BootError } from "../../../runtime/host/errors.ts";
import type { Host } from "../../../runtime/host/host.ts";
import { chooseImage } from "../../../runtime/image-option.ts";
import {
  formatImageReference,
  parseImageReference,
  type ImageReference,
} from "../../../runtime/image-ref.ts";
import { nonEmpty } from "../../../runtime/option-values.ts";
import { openStore } from "../../../runtime/stores/open-store.ts";
import type { StoreLocation } from "../../../runtime/stores/store.ts";

export const DEFAULT_STORE = "/var/lib/docker";

/** An image that layers can be laid over. */
export interface ImageTree {
  readonly reference: string;
  readonly id: string;
  /** Its whole tree. */
  readonly root: string;
}

/**
 * Which image is meant: the one that is given, else what the kernel options of this start and the
 * configuration name.
 * @throws BootError
 */
export function readImageReference(
  host: Host,
  given: string | undefined,
): ImageReference {
  if (given !== undefined) return parseImageReference(given);
  const none = { cmdline: undefined, config: undefined };
  const { cmdline, config: source } = readOptionTexts(host, none);
  const kernel = lastValues(parseCmdline(cmdline));
  const config = parseConfig(source, []);
  try {
    return chooseImage(
      {
        image: nonEmpty(kernel.get("docker_image")),
        tag: nonEmpty(kernel.get("docker_tag")),
      },
      { image: config.get("docker_image"), tag: config.get("docker_tag") },
      [],
    );
  } catch (cause) {
    if (!(cause instanceof BootError)) throw cause;
    throw new BootError(
      "IMAGE_MISSING",
      "it is not known which image is meant",
      {
        cause,
        hint: "Name it with --image, as docker images does: --image NAME:TAG.",
      },
    );
  }
}

/** @throws BootError */
export function findImage(
  location: StoreLocation,
  reference: ImageReference,
): ImageTree {
  const { id, source } = openStore(location).find(reference);
  return {
    reference: formatImageReference(reference),
    id,
    root: path.join(location.topLevel, source),
  };
}

/**
 * Finds the image in a store that the running system sees.
 * @param store the engine's directory, absolute
 * @throws BootError
 */
export function findImageInSystem(
  host: Host,
  store: string,
  given: string | undefined,
): ImageTree {
  const reference = readImageReference(host, given);
  const location = { host, topLevel: host.path("/"), path: store.slice(1) };
  try {
    return findImage(location, reference);
  } catch (cause) {
    if (!(cause instanceof BootError)) throw cause;
    const hint = HINTS[cause.code];
    if (hint === undefined) throw cause;
    throw new BootError(
      cause.code,
      `cannot find the image ${formatImageReference(reference)} in ${store}`,
      { cause, hint },
    );
  }
}

const HINTS: Partial<Record<BootError["code"], string>> = {
  STORE_MISSING:
    "Mount the image store there, or name its directory with --docker DIR.",
  IMAGE_MISSING:
    "Name one that is there with --image NAME:TAG, or fetch it with docker pull.",
};
