import {
  parseGroup,
  parsePasswd,
  parseShadow,
  type Group,
  type Shadow,
  type User,
} from "../../system/formats/parse-accounts.ts";
import type { CheckFacts, TextFile } from "./check-facts.ts";
import type { Problem } from "./problem.ts";

/** The accounts of the new root. */
export interface CheckedAccounts {
  readonly users: readonly User[];
  readonly groups: readonly Group[];
  readonly shadows: readonly Shadow[];
}

export function parseAll({ texts }: CheckFacts): CheckedAccounts {
  return {
    users: parsePasswd(texts.passwd.text ?? "").entries,
    groups: parseGroup(texts.group.text ?? "").entries,
    shadows: parseShadow(texts.shadow.text ?? "").entries,
  };
}

/** What the top layer does not bring is the image's affair. */
export function bringsAny(
  { texts }: CheckFacts,
  ...files: readonly TextFile[]
): boolean {
  return files.some((file) => texts[file].entry !== undefined);
}

/** A problem of one of the files. */
export function accountProblem(
  { texts }: CheckFacts,
  file: TextFile,
  problem: Pick<Problem, "level" | "rule" | "message" | "remedy">,
): Problem {
  const { entry } = texts[file];
  return { ...problem, layer: entry?.layer ?? null, path: entry?.path ?? null };
}

/** Where every program looks for what it needs. */
const ESSENTIAL = new Set([
  ...["/etc", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"],
  ...["/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/share"],
  ...["/dev", "/home", "/proc", "/run", "/sys", "/tmp", "/var", "/var/lib"],
]);

export const isEssential = (directory: string) => ESSENTIAL.has(directory);
