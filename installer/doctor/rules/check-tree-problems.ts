import { listNames } from "../../../runtime/base/list-names.ts";
import type { Problem } from "../../toplayer/rules/problem.ts";
import { type DoctorFacts, type TreeFacts, treesOf } from "./facts.ts";
import { ok, stops, warning, type Finding, type Subject } from "./finding.ts";

/** Rules of `toplayer check` that a boot, or who uses the system, hangs on. */
const SUBJECTS: readonly (readonly [rule: RegExp, subject: Subject])[] = [
  [/^fstab-/, "fstab"],
  [
    /^(?:passwd-|shell-|shadow-missing$|accounts-closed$|group-numbers$)/,
    "logins",
  ],
  [
    /^(?:machine-id$|directory-|not-checked$|unreadable$|replaced$)/,
    "top-layer",
  ],
];

/** Who can log in is looked at with more than passwords. */
const LEFT_OUT = new Set(["nobody-logs-in"]);

/** What is wrong with the files of the new root. */
export function checkTreeProblems(facts: DoctorFacts): Finding[] {
  return treesOf(facts).flatMap(checkTree);
}

function checkTree({ what, problems, hasTopLayer }: TreeFacts): Finding[] {
  const told = problems.flatMap((problem) => {
    const subject = subjectOf(problem);
    if (subject === undefined) return [];
    const tell = problem.level === "error" ? stops : warning;
    return [tell(subject, `${what}: ${problem.message}`, problem.remedy)];
  });
  const others = problems.filter(
    (problem) =>
      subjectOf(problem) === undefined && !LEFT_OUT.has(problem.rule),
  );
  return [
    ...told,
    ...(told.some(({ subject }) => subject === "fstab")
      ? []
      : [ok("fstab", `${what}: no line of its fstab is in the way`)]),
    ...(others.length > 0
      ? [
          warning(
            "top-layer",
            `${what}: there is more to say of the top layer (${listNames([...new Set(others.map(({ rule }) => rule))])})`,
            "dockroot toplayer check tells it.",
          ),
        ]
      : []),
    ...(hasTopLayer && told.length + others.length === 0
      ? [ok("top-layer", `${what}: the top layer fits it`)]
      : []),
  ];
}

function subjectOf({ rule }: Problem): Subject | undefined {
  return SUBJECTS.find(([pattern]) => pattern.test(rule))?.[1];
}

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
