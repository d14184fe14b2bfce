import type { CheckFacts, CheckedEntry } from "./check-facts.ts";
import type { Problem } from "./problem.ts";
import { checkAccounts } from "./check-accounts.ts";
import { checkDirectories } from "./check-directories.ts";
import { checkFstab } from "./check-fstab.ts";
import { checkKernels } from "./check-kernels.ts";
import { checkMachineId } from "./check-machine-id.ts";
import { checkMerge } from "./check-merge.ts";
import { checkOwnerless, checkOwners } from "./check-owners.ts";
import { checkSecrets } from "./check-secrets.ts";
import { checkTexts } from "./check-texts.ts";
import type { ImageTree } from "../../system/image.ts";

const RULES: readonly ((facts: CheckFacts) => Problem[])[] = [
  checkOwnerless,
  checkDirectories,
  checkSecrets,
  checkOwners,
  checkTexts,
  checkAccounts,
  checkFstab,
  checkMachineId,
  checkKernels,
  checkMerge,
];

/** What is wrong, errors first. */
export function findProblems(facts: CheckFacts): Problem[] {
  const problems = RULES.flatMap((rule) => rule(facts));
  return [
    ...problems.filter(({ level }) => level === "error"),
    ...problems.filter(({ level }) => level === "warning"),
  ];
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
