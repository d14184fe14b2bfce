import type { ImageTree } from "../../system/image.ts";
import { checkAccounts } from "./check-accounts.ts";
import type { CheckFacts, CheckedEntry } from "./check-facts.ts";
import { checkCrypttab, checkFstab } from "./check-fstab.ts";
import {
  checkKernels,
  checkNocow,
  checkMachineId,
  checkOwnerless,
  checkOwners,
  checkTexts,
} from "./check-layers.ts";
import { DIRECTORY_RULES, MERGE_RULES } from "./entry-rules.ts";
import { applyRules, type Problem } from "./problem.ts";
import { isKeptFile, secretRules } from "./secret-rules.ts";

const CHECKS: readonly ((facts: CheckFacts) => Problem[])[] = [
  checkOwnerless,
  ({ entries }) => applyRules(DIRECTORY_RULES, entries),
  (facts) => applyRules(secretRules(facts), facts.entries.filter(isKeptFile)),
  checkOwners,
  checkTexts,
  checkAccounts,
  checkFstab,
  checkCrypttab,
  checkMachineId,
  checkKernels,
  checkNocow,
  ({ entries }) => applyRules(MERGE_RULES, entries),
];

/** What is wrong, errors first. */
export function findProblems(facts: CheckFacts): Problem[] {
  const problems = CHECKS.flatMap((check) => check(facts));
  const { error = [], warning = [] } = Object.groupBy(
    problems,
    ({ level }) => level,
  );
  return [...error, ...warning];
}

/** What `dockroot toplayer check --json` prints, version 1. */
export interface CheckReport {
  readonly version: 1;
  readonly image: Pick<ImageTree, "reference" | "id">;
  /** As the user calls them, in the order in which they are laid over the image. */
  readonly layers: readonly string[];
  readonly entries: readonly ReportedEntry[];
  /** Errors first. */
  readonly problems: readonly Problem[];
}

export type ReportedEntry = Pick<
  CheckedEntry,
  "layer" | "path" | "kind" | "effect" | "target" | "through" | "replaced"
>;

export function reportEntry({
  layer,
  path,
  kind,
  effect,
  target,
  through,
  replaced,
}: CheckedEntry): ReportedEntry {
  return { layer, path, kind, effect, target, through, replaced };
}
