import {
  parseGroup,
  parsePasswd,
  parseShadow,
  type Group,
  type Shadow,
  type User,
} from "../../system/formats/parse-accounts.ts";
import type { CheckFacts, TextFile } from "./check-facts.ts";
import type { Level } from "./problem.ts";

/** The accounts of the new root, and those of the image. */
export interface CheckedAccounts {
  readonly users: readonly User[];
  readonly groups: readonly Group[];
  readonly shadows: readonly Shadow[];
  /** Name to what stands in shadow, else in passwd. */
  readonly passwords: ReadonlyMap<string, string | undefined>;
  readonly imageUsers: readonly User[];
  readonly imageGroups: readonly Group[];
}

export function parseAccountFiles({
  texts,
  imageTexts,
}: CheckFacts): CheckedAccounts {
  const users = parsePasswd(texts.passwd.text ?? "").entries;
  const shadows = parseShadow(texts.shadow.text ?? "").entries;
  const inShadow = new Map(
    shadows.map(({ name, password }) => [name, password]),
  );
  return {
    users,
    groups: parseGroup(texts.group.text ?? "").entries,
    shadows,
    passwords: new Map(
      users.map(({ name, password }) => [
        name,
        password === "x" ? inShadow.get(name) : password,
      ]),
    ),
    imageUsers: parsePasswd(imageTexts.passwd ?? "").entries,
    imageGroups: parseGroup(imageTexts.group ?? "").entries,
  };
}

/** A rule on the accounts as a whole. */
export interface AccountRule {
  readonly rule: string;
  readonly level: Level | ((accounts: CheckedAccounts) => Level);
  /** The file that it blames. */
  readonly file: "passwd" | "group" | "shadow";
  /**
   * It is applied where the top layer brings one of these: all else is the image's affair. Default: the
   * file that it blames.
   */
  readonly brought?: readonly TextFile[];
  /** @returns who or what is wrong; none where nothing is */
  readonly find: (
    accounts: CheckedAccounts,
    facts: CheckFacts,
  ) => readonly string[];
  /** @param found what was found, as a list */
  readonly message: (found: string) => string;
  readonly remedy: string;
}
