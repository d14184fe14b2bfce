import type { RootImage } from "../../../runtime/stores/store.ts";
import {
  findSubstitute,
  isBootedNext,
  mayBootNext,
  soften,
} from "./boots-next.ts";
import { checkDeployments } from "./check-deployments.ts";
import { checkEngine } from "./check-engine.ts";
import { checkEntry } from "./check-entries.ts";
import { checkStart, checkTarget } from "./check-starts.ts";
import {
  checkConfig,
  checkHelperPrograms,
  checkMenus,
  checkSpace,
} from "./check-system.ts";
import type { DoctorFacts, StartFacts } from "./facts.ts";
import { fallBack, type Finding, SEVERITIES, SUBJECTS } from "./finding.ts";

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
      readonly store: RootImage["store"];
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

/** What is found, the worst first, and each once. */
function findFindings(facts: DoctorFacts): Finding[] {
  const { starts, target } = facts;
  const softenAll = (start: StartFacts, told: Iterable<Finding>) =>
    [...told].map((one) => soften(one, mayBootNext(start, facts)));
  const found = [
    ...starts.flatMap((start) => [
      ...softenAll(start, checkStart(start, facts)),
      ...checkDeployments(start, facts),
    ]),
    ...starts.flatMap((start) =>
      start.entries.flatMap((entry) => {
        const n = entry.deployed?.n;
        const isNext = n === undefined || isBootedNext(start, facts, n);
        const told = [...checkEntry(entry, start.outcome)];
        return told.map((one) => soften(one, isNext));
      }),
    ),
    ...[checkConfig, checkMenus, checkTarget, checkSpace].flatMap((check) => [
      ...check(facts),
    ]),
    ...checkEngine(facts),
    ...checkHelperPrograms(facts),
    ...starts.flatMap((start) => softenAll(start, checkTree(start))),
    ...(target !== undefined && "tree" in target.found
      ? target.found.tree.findings
      : []),
  ];
  const once = new Map(found.map((one) => [JSON.stringify(one), one]));
  return [...once.values()].sort(
    (a, b) =>
      SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
      SUBJECTS.indexOf(a.subject) - SUBJECTS.indexOf(b.subject),
  );
}

/** Without an init no new root is made. */
function checkTree(start: StartFacts): readonly Finding[] {
  const { outcome } = start;
  const former = findSubstitute(start);
  if (outcome.kind !== "planned") return [];
  return outcome.tree.findings.map((found) =>
    found.subject === "init" ? fallBack(former, found) : found,
  );
}
