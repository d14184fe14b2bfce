import type { CheckFacts, TextFile } from "./check-facts.ts";
import { listNames } from "../../../runtime/base/list-names.ts";
import type { Problem } from "./problem.ts";
import {
  bringsAny,
  parseAll,
  accountProblem,
  type CheckedAccounts,
} from "./accounts.ts";
import { checkFit } from "./check-fit.ts";
import { checkSystemGroups, checkSystemUsers } from "./check-numbers.ts";
import { checkPasswords } from "./check-passwords.ts";
import { ACCOUNT_FILES } from "./check-texts.ts";
import type { OddLine } from "../../system/formats/colon-file.ts";
import {
  parseGroup,
  parseGshadow,
  parsePasswd,
  parseShadow,
  isOwnId,
} from "../../system/formats/parse-accounts.ts";

/** Who can log in, and whether the accounts fit each other and the image. */
export function checkAccounts(facts: CheckFacts): Problem[] {
  if (!bringsAny(facts, ...ACCOUNT_FILES)) return [];
  if (ACCOUNT_FILES.some((file) => facts.texts[file].unchecked !== undefined)) {
    return [];
  }
  const accounts = parseAll(facts);
  return [
    ...checkOddLines(facts),
    ...checkRootUser(facts, accounts),
    ...checkPasswords(facts, accounts),
    ...checkFit(facts, accounts),
    ...checkShells(facts, accounts),
    ...checkSystemUsers(facts, accounts),
    ...checkSystemGroups(facts, accounts),
  ];
}

/** Lines that programs pass over. */
export function checkOddLines(facts: CheckFacts): Problem[] {
  const { texts } = facts;
  const odd: [TextFile, readonly OddLine[]][] = [
    ["passwd", parsePasswd(texts.passwd.text ?? "").odd],
    ["group", parseGroup(texts.group.text ?? "").odd],
    ["shadow", parseShadow(texts.shadow.text ?? "").odd],
    ["gshadow", parseGshadow(texts.gshadow.text ?? "").odd],
  ];
  return odd.flatMap(([file, lines]) =>
    texts[file].entry === undefined
      ? []
      : lines.map(({ number, why }) =>
          accountProblem(facts, file, {
            level: "warning",
            rule: "accounts-odd-line",
            message: `line ${String(number)} of /etc/${file} is not read by programs: ${why}`,
            remedy:
              "Correct the line, or remove it: pwck and grpck know them, too.",
          }),
        ),
  );
}

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
