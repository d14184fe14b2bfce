import type { CheckFacts } from "./check-facts.ts";
import type { Problem } from "./problem.ts";
import { checkAccounts } from "./check-accounts.ts";
import { checkDirectories } from "./check-directories.ts";
import { checkFstab } from "./check-fstab.ts";
import { checkKernels } from "./check-kernels.ts";
import { checkMachineId } from "./check-machine-id.ts";
import { checkMerge } from "./check-merge.ts";
import { checkOwnerless } from "./check-ownerless.ts";
import { checkOwners } from "./check-owners.ts";
import { checkSecrets } from "./check-secrets.ts";
import { checkTexts } from "./check-texts.ts";

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
