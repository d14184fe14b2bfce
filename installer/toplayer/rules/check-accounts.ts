import type { CheckFacts } from "./check-facts.ts";
import type { Problem } from "./problem.ts";
import { bringsAny, parseAll } from "./accounts.ts";
import { checkFit } from "./check-fit.ts";
import { checkSystemGroups, checkSystemUsers } from "./check-numbers.ts";
import { checkOddLines } from "./check-odd-lines.ts";
import { checkPasswords } from "./check-passwords.ts";
import { checkRootUser } from "./check-root-user.ts";
import { checkShells } from "./check-shells.ts";
import { ACCOUNT_FILES } from "./check-texts.ts";

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
