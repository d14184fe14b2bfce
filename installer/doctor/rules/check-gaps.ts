import { listNames } from "../../toplayer/rules/problem.ts";
import type { DoctorFacts } from "./facts.ts";
import { warning, type Finding } from "./finding.ts";
import { treesOf } from "./trees.ts";

/** Whether there are directories in which nothing can be created. */
export function checkGaps(facts: DoctorFacts): Finding[] {
  return treesOf(facts).flatMap(({ what, unfilledGaps }) =>
    unfilledGaps.length === 0
      ? []
      : [
          warning(
            "image",
            `${what}: a build step has made btrfs subvolumes in it, and nothing can be created where they were: ${listNames(unfilledGaps)}`,
            "Delete each in the build step that makes it (btrfs subvolume delete), or put an empty directory of the same path into the top layer.",
          ),
        ],
  );
}
