import {
  formatImageReference,
  parseImageReference,
} from "../../../runtime/images/image-ref.ts";

/**
 * A kernel command line that names another image: of a repeated option the last one counts.
 * @throws BootError INVALID_REFERENCE
 */
export function overrideImage(
  cmdline: string,
  image: string | undefined,
): string {
  if (image === undefined) return cmdline;
  const whole = formatImageReference(parseImageReference(image));
  // What follows is for init.
  const [own = "", ...ofInit] = cmdline.trimEnd().split(/\s--(?=\s|$)/);
  return [`${own} docker_image=${whole} docker_tag=`, ...ofInit].join(" --");
}
