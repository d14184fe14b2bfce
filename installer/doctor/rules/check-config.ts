import type { DoctorFacts } from "./facts.ts";
import { ok, stops, unknown, warning, type Finding } from "./finding.ts";

/** The configuration of the system here, where no start reads it. */
export function checkConfig({ config, starts }: DoctorFacts): Finding[] {
  const { source, failure, warnings, image } = config;
  if (failure !== undefined) {
    return [
      stops(
        "options",
        [failure.message, ...failure.causes].join(": "),
        failure.hint ?? "Correct the file.",
      ),
    ];
  }
  const told = warnings.map((text) =>
    warning("options", text, "Correct the key, or drop it."),
  );
  if (source === undefined) {
    return starts.length > 0
      ? told
      : [
          unknown(
            "options",
            "there is no /etc/dockroot.json: the kernel options must name the image",
            'Write { "docker_image": "NAME", "docker_tag": "TAG" } into it, or docker_image=NAME:TAG into the boot menu entry.',
          ),
        ];
  }
  return [
    ...told,
    image === undefined
      ? unknown(
          "options",
          `${source.file} names no image: the kernel options must`,
        )
      : ok("options", `${source.file} names the image ${image}`),
  ];
}
