import { isOwnId } from "../../system/formats/parse-accounts.ts";
import type { CheckFacts } from "./check-facts.ts";
import { listNames } from "../../../runtime/base/list-names.ts";
import type { Problem } from "./problem.ts";
import { accountProblem, bringsAny, type CheckedAccounts } from "./accounts.ts";

/** Whether the files name the same people. */
export function checkFit(
  facts: CheckFacts,
  accounts: CheckedAccounts,
): Problem[] {
  const hasShadow = facts.texts.shadow.text !== undefined;
  return [
    ...(bringsAny(facts, "passwd", "shadow") && hasShadow
      ? [...checkShadowless(facts, accounts), ...checkIdle(facts, accounts)]
      : []),
    ...(bringsAny(facts, "passwd", "group")
      ? [...checkGroupless(facts, accounts), ...checkMembers(facts, accounts)]
      : []),
  ];
}

function checkShadowless(
  facts: CheckFacts,
  { users, shadows }: CheckedAccounts,
): Problem[] {
  const known = namesOf(shadows);
  const shadowless = users.filter(
    ({ name, password }) => password === "x" && !known.has(name),
  );
  const isPerson = ({ uid }: { uid: number }) => uid === 0 || isOwnId(uid);
  const people = shadowless.filter(isPerson);
  const others = shadowless.filter((user) => !isPerson(user));
  if (shadowless.length === 0) return [];
  return [
    accountProblem(facts, "shadow", {
      level: people.length > 0 ? "error" : "warning",
      rule: "shadow-missing",
      message: `/etc/shadow has no line for ${list([...people, ...others])}, whom /etc/passwd has: they cannot log in`,
      remedy:
        "Add the lines: NAME:!:::::::, or with a password in place of the exclamation mark.",
    }),
  ];
}

function checkIdle(
  facts: CheckFacts,
  { users, shadows }: CheckedAccounts,
): Problem[] {
  const known = namesOf(users);
  const idle = shadows.filter(({ name }) => !known.has(name));
  if (idle.length === 0) return [];
  return [
    accountProblem(facts, "shadow", {
      level: "warning",
      rule: "shadow-idle",
      message: `/etc/shadow has lines for ${list(idle)}, whom /etc/passwd does not have`,
      remedy: "Add them to /etc/passwd, or remove the lines.",
    }),
  ];
}

function checkGroupless(
  facts: CheckFacts,
  { users, groups }: CheckedAccounts,
): Problem[] {
  const numbers = new Set(groups.map(({ gid }) => gid));
  const groupless = users
    .filter(({ gid }) => !numbers.has(gid))
    .map(({ name, gid }) => `${name} (${String(gid)})`);
  if (groupless.length === 0) return [];
  return [
    accountProblem(facts, "group", {
      level: "warning",
      rule: "group-of-user-missing",
      message: `/etc/group does not have the own groups of ${listNames(groupless)}`,
      remedy: "Add the groups, by these numbers.",
    }),
  ];
}

function checkMembers(
  facts: CheckFacts,
  { users, groups }: CheckedAccounts,
): Problem[] {
  const known = namesOf(users);
  const strangers = new Set(
    groups.flatMap(({ members }) => members.filter((name) => !known.has(name))),
  );
  if (strangers.size === 0) return [];
  return [
    accountProblem(facts, "group", {
      level: "warning",
      rule: "group-strangers",
      message: `/etc/group has members that /etc/passwd does not have: ${listNames([...strangers])}`,
      remedy: "Add them to /etc/passwd, or remove them from the groups.",
    }),
  ];
}

function namesOf(accounts: readonly { name: string }[]): ReadonlySet<string> {
  return new Set(accounts.map(({ name }) => name));
}

function list(accounts: readonly { name: string }[]): string {
  return listNames([...namesOf(accounts)]);
}
