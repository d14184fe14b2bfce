import { listNames } from "../../../runtime/base/shorten.ts";
import type { Problem } from "../../toplayer/rules/problem.ts";
import { type DoctorFacts, treesOf } from "./facts.ts";
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
export function* checkTreeProblems(facts: DoctorFacts): Iterable<Finding> {
  for (const { what, problems, hasTopLayer } of treesOf(facts)) {
    const others = new Set<string>();
    let isFstabRight = true;
    let hasFinding = false;
    for (const problem of problems) {
      const { rule, level, message, remedy } = problem;
      const subject = subjectOf(problem);
      if (subject === undefined) {
        if (!LEFT_OUT.has(rule)) others.add(rule);
        continue;
      }
      hasFinding = true;
      if (subject === "fstab") isFstabRight = false;
      const tell = level === "error" ? stops : warning;
      yield tell(subject, `${what}: ${message}`, remedy);
    }
    if (isFstabRight) {
      yield ok("fstab", `${what}: no line of its fstab is in the way`);
    }
    if (others.size > 0) {
      yield warning(
        "top-layer",
        `${what}: there is more to say of the top layer (${listNames([...others])})`,
        "dockroot toplayer check tells it.",
      );
    } else if (hasTopLayer && !hasFinding) {
      yield ok("top-layer", `${what}: the top layer fits it`);
    }
  }
}

function subjectOf({ rule }: Problem): Subject | undefined {
  return SUBJECTS.find(([pattern]) => pattern.test(rule))?.[1];
}

/** Whether there are directories in which nothing can be created. */
export function* checkGaps(facts: DoctorFacts): Iterable<Finding> {
  for (const { what, unfilledGaps } of treesOf(facts)) {
    if (unfilledGaps.length === 0) continue;
    yield warning(
      "image",
      `${what}: a build step has made btrfs subvolumes in it, and nothing can be created where they were: ${listNames(unfilledGaps)}`,
      "Delete each in the build step that makes it (btrfs subvolume delete), or put an empty directory of the same path into the top layer.",
    );
  }
}

/** Whether there is something for the kernel to start. */
export function* checkInit(facts: DoctorFacts): Iterable<Finding> {
  for (const { what, initFailure } of treesOf(facts)) {
    const { message = "", hint = "Install an init into the image." } =
      initFailure ?? {};
    yield initFailure === undefined
      ? ok("init", `${what} has an init`)
      : stops("init", message, hint);
  }
}
