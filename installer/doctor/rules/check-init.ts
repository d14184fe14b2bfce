import type { DoctorFacts } from "./facts.ts";
import { ok, stops, type Finding } from "./finding.ts";
import { treesOf } from "./trees.ts";

/** Whether there is something for the kernel to start. */
export function checkInit(facts: DoctorFacts): Finding[] {
  return treesOf(facts).map(({ what, initFailure }) =>
    initFailure === undefined
      ? ok("init", `${what} has an init`)
      : stops(
          "init",
          initFailure.message,
          initFailure.hint ?? "Install an init into the image.",
        ),
  );
}
