import type { DoctorFacts } from "./facts.ts";
import { SUBJECTS, type Finding, type Severity } from "./finding.ts";
import { checkConfig } from "./rules/check-config.ts";
import { checkEngine } from "./rules/check-engine.ts";
import { checkGaps } from "./rules/check-gaps.ts";
import { checkHelpers } from "./rules/check-helpers.ts";
import { checkInit } from "./rules/check-init.ts";
import { checkInitramfs } from "./rules/check-initramfs.ts";
import { checkKernels } from "./rules/check-kernels.ts";
import { checkLogins } from "./rules/check-logins.ts";
import { checkMenus } from "./rules/check-menus.ts";
import { checkSpace } from "./rules/check-space.ts";
import { checkStarts } from "./rules/check-starts.ts";
import { checkStoreMount } from "./rules/check-store-mount.ts";
import { checkTarget } from "./rules/check-target.ts";
import { checkTreeProblems } from "./rules/check-tree-problems.ts";

const RULES: readonly ((facts: DoctorFacts) => Finding[])[] = [
  checkStarts,
  checkConfig,
  checkMenus,
  checkTarget,
  checkSpace,
  checkEngine,
  checkInit,
  checkGaps,
  checkKernels,
  checkInitramfs,
  checkHelpers,
  checkTreeProblems,
  checkStoreMount,
  checkLogins,
];

const SEVERITIES: readonly Severity[] = ["stops", "warning", "unknown", "ok"];

/** What is found, the worst first, and each once. */
export function findFindings(facts: DoctorFacts): Finding[] {
  const all = new Map<string, Finding>();
  for (const finding of RULES.flatMap((rule) => rule(facts))) {
    all.set(JSON.stringify(finding), finding);
  }
  return [...all.values()].sort(
    (a, b) =>
      SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
      SUBJECTS.indexOf(a.subject) - SUBJECTS.indexOf(b.subject),
  );
}
