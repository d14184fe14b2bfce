import { isOwnId } from "../../system/formats/account-ids.ts";
import type { CheckFacts } from "./check-facts.ts";
import { listNames, type Problem } from "./problem.ts";
import { accountProblem, bringsAny, type CheckedAccounts } from "./accounts.ts";

/** Who has these is not meant to log in. */
const REFUSES = /\/(?:nologin|false)$/;

/** A login shell that is not there ends each login. */
export function checkShells(
  facts: CheckFacts,
  { users }: CheckedAccounts,
): Problem[] {
  const { stands } = facts;
  if (!bringsAny(facts, "passwd")) return [];
  const lost = users
    .filter(({ uid }) => uid === 0 || isOwnId(uid))
    .filter(({ shell }) => shell !== "" && !REFUSES.test(shell))
    .filter(({ shell }) => !stands(shell))
    .map(({ name, shell }) => `${name} (${shell})`);
  if (lost.length === 0) return [];
  return [
    accountProblem(facts, "passwd", {
      level: "error",
      rule: "shell-missing",
      message: `the new root does not have the shells of ${listNames(lost)}: they cannot log in`,
      remedy: "Name a shell that the image has, or install it in the image.",
    }),
  ];
}
