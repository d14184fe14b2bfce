import type { CheckFacts } from "./facts.ts";
import type { Problem } from "./problem.ts";
import { checkAccounts } from "./rules/check-accounts.ts";
import { checkDirectories } from "./rules/check-directories.ts";
import { checkFstab } from "./rules/check-fstab.ts";
import { checkKernels } from "./rules/check-kernels.ts";
import { checkMachineId } from "./rules/check-machine-id.ts";
import { checkMerge } from "./rules/check-merge.ts";
import { checkOwnerless } from "./rules/check-ownerless.ts";
import { checkOwners } from "./rules/check-owners.ts";
import { checkSecrets } from "./rules/check-secrets.ts";
import { checkTexts } from "./rules/check-texts.ts";

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
