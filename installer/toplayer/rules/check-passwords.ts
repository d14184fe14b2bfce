import { isPassword } from "../../system/formats/parse-accounts.ts";
import type { CheckFacts } from "./check-facts.ts";
import { listNames } from "../../../runtime/base/list-names.ts";
import type { Problem } from "./problem.ts";
import { accountProblem, bringsAny, type CheckedAccounts } from "./accounts.ts";

const SET_ONE =
  "openssl passwd -6 makes what stands in the second field of /etc/shadow.";

/** Who is let in. */
export function checkPasswords(
  facts: CheckFacts,
  accounts: CheckedAccounts,
): Problem[] {
  return [
    ...(bringsAny(facts, "passwd") ? checkHashes(facts, accounts) : []),
    ...(bringsAny(facts, "passwd", "shadow")
      ? checkLogins(facts, accounts)
      : []),
  ];
}

function checkHashes(facts: CheckFacts, { users }: CheckedAccounts): Problem[] {
  const names = users
    .filter(({ password }) => isPassword(password))
    .map(({ name }) => name);
  if (names.length === 0) return [];
  return [
    accountProblem(facts, "passwd", {
      level: "error",
      rule: "passwd-hash",
      message: `/etc/passwd, which everybody can read, has the passwords of ${listNames(names)}`,
      remedy:
        "Move them to /etc/shadow: pwconv in a container of the image does.",
    }),
  ];
}

function checkLogins(
  facts: CheckFacts,
  { users, shadows }: CheckedAccounts,
): Problem[] {
  const inShadow = new Map(
    shadows.map(({ name, password }) => [name, password]),
  );
  const passwords = users.map(({ name, password }) => ({
    name,
    password: password === "x" ? inShadow.get(name) : password,
  }));
  const open = passwords
    .filter(({ password }) => password === "")
    .map(({ name }) => name);
  if (open.length > 0) {
    return [
      accountProblem(facts, "shadow", {
        level: "warning",
        rule: "password-empty",
        message: `who sits at the machine is let in without a password as ${listNames(open)}`,
        remedy: `Set one: ${SET_ONE}`,
      }),
    ];
  }
  if (passwords.some(({ password }) => isPassword(password))) return [];
  return [
    accountProblem(facts, "shadow", {
      level: "warning",
      rule: "nobody-logs-in",
      message:
        "nobody has a password: without a key for ssh, or a login that asks for none, all are locked out",
      remedy: `Set root's: ${SET_ONE}`,
    }),
  ];
}
