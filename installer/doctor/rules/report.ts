import type { StoreKind } from "../../../runtime/options/table.ts";
import type { DoctorFacts } from "./facts.ts";
import { type Finding, SUBJECTS, type Severity } from "./finding.ts";
import { checkConfig } from "./check-config.ts";
import { checkEngine } from "./check-engine.ts";
import {
  checkGaps,
  checkTreeProblems,
  checkInit,
} from "./check-tree-problems.ts";
import { checkHelperPrograms, checkInitramfs } from "./check-initramfs.ts";
import { checkKernelVersions } from "./check-kernels.ts";
import { checkLogins } from "./check-logins.ts";
import { checkMenus } from "./check-menus.ts";
import { checkSpace } from "./check-space.ts";
import { checkStarts } from "./check-starts.ts";
import { checkStoreMount } from "./check-store-mount.ts";
import { checkTarget } from "./check-target.ts";

/** What `dockroot doctor --json` prints, version 1. */
export interface DoctorReport {
  readonly version: 1;
  /** Whether the system here is the one that the kernel has booted. */
  readonly isRunningSystem: boolean;
  /** What was gone through; alike ones are one. */
  readonly starts: readonly {
    readonly names: readonly string[];
    /** `null` where none was found. */
    readonly image: {
      readonly reference: string;
      readonly id: string;
      readonly store: StoreKind;
    } | null;
  }[];
  /** The worst first. */
  readonly findings: readonly Finding[];
}

export function describeReport(facts: DoctorFacts): DoctorReport {
  return {
    version: 1,
    isRunningSystem: facts.place.kind === "running",
    starts: facts.starts.map(({ sources, outcome }) => ({
      names: sources.map(({ name }) => name),
      image: outcome.kind === "planned" ? outcome.image : null,
    })),
    findings: findFindings(facts),
  };
}

const RULES: readonly ((facts: DoctorFacts) => Iterable<Finding>)[] = [
  checkStarts,
  checkConfig,
  checkMenus,
  checkTarget,
  checkSpace,
  checkEngine,
  checkInit,
  checkGaps,
  checkKernelVersions,
  checkInitramfs,
  checkHelperPrograms,
  checkTreeProblems,
  checkStoreMount,
  checkLogins,
];

const SEVERITIES: readonly Severity[] = ["stops", "warning", "unknown", "ok"];

/** What is found, the worst first, and each once. */
export function findFindings(facts: DoctorFacts): Finding[] {
  const all = new Map<string, Finding>();
  for (const finding of RULES.flatMap((rule) => [...rule(facts)])) {
    all.set(JSON.stringify(finding), finding);
  }
  return [...all.values()].sort(
    (a, b) =>
      SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
      SUBJECTS.indexOf(a.subject) - SUBJECTS.indexOf(b.subject),
  );
}
