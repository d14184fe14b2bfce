import type { DoctorFacts } from "./facts.ts";
import { SUBJECTS, type Finding, type Severity } from "./finding.ts";
import { checkConfig } from "./check-config.ts";
import { checkEngine } from "./check-engine.ts";
import { checkGaps } from "./check-gaps.ts";
import { checkHelpers } from "./check-helpers.ts";
import { checkInit } from "./check-init.ts";
import { checkInitramfs } from "./check-initramfs.ts";
import { checkKernels } from "./check-kernels.ts";
import { checkLogins } from "./check-logins.ts";
import { checkMenus } from "./check-menus.ts";
import { checkSpace } from "./check-space.ts";
import { checkStarts } from "./check-starts.ts";
import { checkStoreMount } from "./check-store-mount.ts";
import { checkTarget } from "./check-target.ts";
import { checkTreeProblems } from "./check-tree-problems.ts";

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
