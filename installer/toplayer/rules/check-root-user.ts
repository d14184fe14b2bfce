import type { CheckFacts } from "./check-facts.ts";
import { listNames, type Problem } from "./problem.ts";
import { accountProblem, bringsAny, type CheckedAccounts } from "./accounts.ts";

/** Who is root. */
export function checkRootUser(
  facts: CheckFacts,
  accounts: CheckedAccounts,
): Problem[] {
  return bringsAny(facts, "passwd")
    ? [...checkRoot(facts, accounts), ...checkOtherRoots(facts, accounts)]
    : [];
}

function checkRoot(facts: CheckFacts, { users }: CheckedAccounts): Problem[] {
  const root = users.find(({ name }) => name === "root");
  if (root?.uid === 0) return [];
  const wrong =
    root === undefined
      ? "has no root"
      : `gives root the number ${String(root.uid)}`;
  return [
    accountProblem(facts, "passwd", {
      level: "error",
      rule: "passwd-root",
      message: `/etc/passwd ${wrong}: services do not start, and nobody can become root`,
      remedy: "Begin it with root:x:0:0:root:/root:/bin/sh.",
    }),
  ];
}

function checkOtherRoots(
  facts: CheckFacts,
  { users }: CheckedAccounts,
): Problem[] {
  const others = users
    .filter(({ name, uid }) => uid === 0 && name !== "root")
    .map(({ name }) => name);
  if (others.length === 0) return [];
  return [
    accountProblem(facts, "passwd", {
      level: "warning",
      rule: "passwd-other-root",
      message: `/etc/passwd gives root's number 0 to ${listNames(others)}`,
      remedy: "Give each another number, where they are not meant to be root.",
    }),
  ];
}
