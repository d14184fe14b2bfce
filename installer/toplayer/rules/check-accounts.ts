import { listNames } from "../../../runtime/base/shorten.ts";
import {
  parseGroup,
  parseGshadow,
  parsePasswd,
  parseShadow,
  type Group,
  type Shadow,
  type User,
} from "../../system/formats/parse-accounts.ts";
import { ACCOUNT_RULES } from "./account-rules.ts";
import type { CheckFacts, TextFile } from "./check-facts.ts";
import { problemOf, type Level, type Problem } from "./problem.ts";

/** The accounts of the new root. */
export interface CheckedAccounts {
  readonly users: readonly User[];
  readonly groups: readonly Group[];
  readonly shadows: readonly Shadow[];
  /** Of each line of passwd: the password in shadow where it says so, else its own. */
  readonly passwords: readonly {
    readonly name: string;
    readonly password: string | undefined;
  }[];
  /** The users and groups of the new root, and those of the image. */
  readonly numbers: Readonly<
    Record<
      "passwd" | "group",
      Readonly<Record<"own" | "ofImage", readonly NumberedName[]>>
    >
  >;
}

export interface NumberedName {
  readonly name: string;
  readonly id: number;
}

function parseAccountFiles({ texts, imageTexts }: CheckFacts): CheckedAccounts {
  const users = parsePasswd(texts.passwd.text ?? "").entries;
  const groups = parseGroup(texts.group.text ?? "").entries;
  const shadows = parseShadow(texts.shadow.text ?? "").entries;
  const inShadow = new Map(
    shadows.map(({ name, password }) => [name, password]),
  );
  return {
    users,
    groups,
    shadows,
    passwords: users.map(({ name, password }) => ({
      name,
      password: password === "x" ? inShadow.get(name) : password,
    })),
    numbers: {
      passwd: {
        own: users.map(({ name, uid }) => ({ name, id: uid })),
        ofImage: parsePasswd(imageTexts.passwd ?? "").entries.map(
          ({ name, uid }) => ({ name, id: uid }),
        ),
      },
      group: {
        own: groups.map(({ name, gid }) => ({ name, id: gid })),
        ofImage: parseGroup(imageTexts.group ?? "").entries.map(
          ({ name, gid }) => ({ name, id: gid }),
        ),
      },
    },
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

/** Without one of these nothing can be said of the others. */
export const ACCOUNT_FILES: readonly TextFile[] = [
  "passwd",
  "group",
  "shadow",
  "gshadow",
];

/** Who can log in, and whether the accounts fit each other and the image. */
export function checkAccounts(facts: CheckFacts): Problem[] {
  const texts = ACCOUNT_FILES.map((file) => facts.texts[file]);
  if (texts.every(({ entry }) => entry === undefined)) return [];
  if (texts.some(({ unchecked }) => unchecked !== undefined)) return [];
  return [...checkOddLines(facts), ...applyAccountRules(facts)];
}

/** @param isApplied which of the rules are applied */
export function applyAccountRules(
  facts: CheckFacts,
  isApplied: (rule: AccountRule) => boolean = () => true,
): Problem[] {
  const accounts = parseAccountFiles(facts);
  const { texts } = facts;
  return ACCOUNT_RULES.filter(isApplied).flatMap((rule) => {
    const { file, brought = [file], level, message, remedy } = rule;
    if (brought.every((name) => texts[name].entry === undefined)) return [];
    const found = rule.find(accounts, facts);
    if (found.length === 0) return [];
    return [
      problemOf(texts[file].entry, {
        level: typeof level === "string" ? level : level(accounts),
        rule: rule.rule,
        message: message(listNames(found)),
        remedy,
      }),
    ];
  });
}

const PARSERS = {
  passwd: parsePasswd,
  group: parseGroup,
  shadow: parseShadow,
  gshadow: parseGshadow,
};

/** Lines that programs pass over. */
function checkOddLines({ texts }: CheckFacts): Problem[] {
  return Object.entries(PARSERS).flatMap(([file, parse]) => {
    const { entry, text = "" } = texts[file as keyof typeof PARSERS];
    if (entry === undefined) return [];
    return parse(text).odd.map(({ number, why }) =>
      problemOf(entry, {
        level: "warning",
        rule: "accounts-odd-line",
        message: `line ${String(number)} of /etc/${file} is not read by programs: ${why}`,
        remedy: "Correct or remove the line; pwck and grpck report it, too.",
      }),
    );
  });
}
