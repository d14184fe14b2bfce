import type { DoctorFacts } from "./facts.ts";
import { ok, stops, unknown, warning, type Finding } from "./finding.ts";

/** The configuration of the system here, where no boot reads it. */
export function* checkConfig({
  config,
  starts,
}: DoctorFacts): Iterable<Finding> {
  const { source, failure, warnings, image } = config;
  if (failure !== undefined) {
    const why = [failure.message, ...failure.causes].join(": ");
    yield stops("options", why, failure.hint ?? "Correct the file.");
    return;
  }
  for (const text of warnings) {
    yield warning(
      "options",
      text,
      "Correct or remove it, then rebuild the initramfs: dockroot install.",
    );
  }
  if (source === undefined) {
    if (starts.length > 0) return;
    yield unknown(
      "options",
      "there is no /etc/dockroot.json: the kernel options must name the image",
      'Write { "docker_image": "NAME", "docker_tag": "TAG" } into it, or docker_image=NAME:TAG into the boot menu entry.',
    );
    return;
  }
  yield image === undefined
    ? unknown(
        "options",
        `${source.file} names no image: the kernel options must`,
      )
    : ok("options", `${source.file} names the image ${image}`);
}
