import { type CheckFacts } from "../facts.ts";
import { problemOf, type Problem } from "../problem.ts";
import { bringsAny, parseAll } from "./accounts.ts";
import { checkFit } from "./check-fit.ts";
import { checkSystemGroups, checkSystemUsers } from "./check-numbers.ts";
import { checkOddLines } from "./check-odd-lines.ts";
import { checkPasswords } from "./check-passwords.ts";
import { checkRootUser } from "./check-root-user.ts";
import { checkShells } from "./check-shells.ts";

const FILES = ["passwd", "group", "shadow", "gshadow"] as const;

/** Who can log in, and whether the accounts fit each other and the image. */
export function checkAccounts(facts: CheckFacts): Problem[] {
  if (!bringsAny(facts, ...FILES)) return [];
  const odd = FILES.flatMap((file) => {
    const { entry } = facts.texts[file];
    if (entry === undefined || entry.kind === "file") return [];
    return [
      problemOf(
        entry,
        "warning",
        "not-checked",
        `${entry.path} is a ${entry.kind}: the accounts are not checked`,
        "Put a file there; programs that change accounts want one, too.",
      ),
    ];
  });
  if (odd.length > 0) return odd;
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
