import {
  ownTagOf,
  parseImageReference,
  type ImageReference,
} from "../images/image-ref.ts";
import { invalidOption } from "./option-error.ts";

/** `docker_image` and `docker_tag` as one place gives them. */
export interface ImageOption {
  readonly image: string | undefined;
  readonly tag: string | undefined;
}

const DEFAULT_TAG = "latest";

/**
 * Decides which image is meant. Each of the kernel's two options wins over the configuration's; a
 * tag that stands in `docker_image` itself wins over a `docker_tag` of lesser rank.
 * @param warnings gets a line for a tag that has no effect
 * @throws BootError INVALID_OPTION, INVALID_REFERENCE
 */
export function chooseImage(
  kernel: ImageOption,
  config: ImageOption,
  warnings: string[],
): ImageReference {
  const image = kernel.image ?? config.image;
  if (image === undefined) {
    throw invalidOption(
      "no image is named: docker_image is neither on the kernel command line nor in the configuration",
      `Write docker_image=NAME[:TAG] there, or { "docker_image": "NAME" } in /etc/dockroot.json.`,
    );
  }
  const own = ownTagOf(image);
  if (own.fixed) {
    if (kernel.tag !== undefined) {
      warnings.push(
        `docker_tag=${kernel.tag} has no effect: docker_image=${image} says exactly which image`,
      );
    }
    return parseImageReference(image);
  }
  if (own.tag === undefined) {
    return parseImageReference(image, kernel.tag ?? config.tag ?? DEFAULT_TAG);
  }
  if (kernel.tag !== undefined && kernel.image === undefined) {
    return parseImageReference(
      image.slice(0, -`:${own.tag}`.length),
      kernel.tag,
    );
  }
  const tagBeside = kernel.image === undefined ? config.tag : kernel.tag;
  if (tagBeside !== undefined && tagBeside !== own.tag) {
    throw invalidOption(
      `two tags are given: docker_image=${image} and docker_tag=${tagBeside}`,
      "Leave one of them out.",
    );
  }
  return parseImageReference(image);
}
