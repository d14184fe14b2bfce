import { isOwnId, isSystemId } from "../../accounts/account-ids.ts";
import type { OddLine } from "../../accounts/colon-file.ts";
import {
  parseGroup,
  parseGshadow,
  parsePasswd,
  parseShadow,
  type Group,
  type Shadow,
  type User,
} from "../../accounts/parse-accounts.ts";
import { isPassword } from "../../init/merge-accounts.ts";
import type { CheckFacts, TextFile } from "../facts.ts";
import { listNames, type Problem } from "../problem.ts";

/** Who can log in, and whether the accounts fit each other and the image. */
export function checkAccounts(facts: CheckFacts): Problem[] {
  const { texts } = facts;
  const files = ["passwd", "group", "shadow", "gshadow"] as const;
  if (files.every((file) => texts[file].entry === undefined)) return [];
  const accounts = parseAll(facts);
  return [
    ...checkOddLines(facts),
    ...checkRoot(facts, accounts),
    ...checkPasswords(facts, accounts),
    ...checkFit(facts, accounts),
    ...checkShells(facts, accounts),
    ...checkSystemUsers(facts, accounts),
    ...checkSystemGroups(facts, accounts),
  ];
}

interface ParsedAccounts {
  readonly users: readonly User[];
  readonly groups: readonly Group[];
  readonly shadows: readonly Shadow[];
  readonly hasShadow: boolean;
}

function parseAll({ texts }: CheckFacts): ParsedAccounts {
  return {
    users: parsePasswd(texts.passwd.text ?? "").entries,
    groups: parseGroup(texts.group.text ?? "").entries,
    shadows: parseShadow(texts.shadow.text ?? "").entries,
    hasShadow: texts.shadow.text !== undefined,
  };
}

/** What the top layer does not bring is the image's affair. */
function isOwn({ texts }: CheckFacts, ...files: readonly TextFile[]): boolean {
  return files.some((file) => texts[file].entry !== undefined);
}

function checkOddLines({ texts }: CheckFacts): Problem[] {
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
          problem(
            texts,
            file,
            "warning",
            "accounts-odd-line",
            `line ${String(number)} of /etc/${file} is not read by programs: ${why}`,
            "Correct the line, or remove it: pwck and grpck know them, too.",
          ),
        ),
  );
}

function checkRoot(facts: CheckFacts, { users }: ParsedAccounts): Problem[] {
  const { texts } = facts;
  if (!isOwn(facts, "passwd")) return [];
  const root = users.find(({ name }) => name === "root");
  const wrong =
    root === undefined
      ? "/etc/passwd has no root"
      : root.uid === 0
        ? undefined
        : `/etc/passwd gives root the number ${String(root.uid)}`;
  const others = users
    .filter(({ name, uid }) => uid === 0 && name !== "root")
    .map(({ name }) => name);
  return [
    ...(wrong === undefined
      ? []
      : [
          problem(
            texts,
            "passwd",
            "error",
            "passwd-root",
            `${wrong}: the system does not start as it should, and nobody can become root`,
            "Begin it with root:x:0:0:root:/root:/bin/sh.",
          ),
        ]),
    ...(others.length === 0
      ? []
      : [
          problem(
            texts,
            "passwd",
            "warning",
            "passwd-other-root",
            `/etc/passwd gives root's number 0 to ${listNames(others)}`,
            "Give each another number, where they are not meant to be root.",
          ),
        ]),
  ];
}

function checkPasswords(
  { texts }: CheckFacts,
  { users, shadows }: ParsedAccounts,
): Problem[] {
  const problems: Problem[] = [];
  const hashes = users
    .filter(({ password }) => isPassword(password))
    .map(({ name }) => name);
  if (hashes.length > 0) {
    problems.push(
      problem(
        texts,
        "passwd",
        "error",
        "passwd-hash",
        `/etc/passwd, which everybody can read, has the passwords of ${listNames(hashes)}`,
        "Move them to /etc/shadow: pwconv in a container of the image does.",
      ),
    );
  }
  const inShadow = new Map(
    shadows.map(({ name, password }) => [name, password]),
  );
  const open = users
    .filter(({ name, password }) =>
      password === "x" ? inShadow.get(name) === "" : password === "",
    )
    .map(({ name }) => name);
  if (open.length > 0) {
    problems.push(
      problem(
        texts,
        "shadow",
        "warning",
        "password-empty",
        `who sits at the machine is let in without a password as ${listNames(open)}`,
        "Set one: openssl passwd -6 makes what stands in the second field of /etc/shadow.",
      ),
    );
  }
  const canLogIn = users.some(({ name, password }) =>
    isPassword(password === "x" ? inShadow.get(name) : password),
  );
  if (!canLogIn && open.length === 0 && users.length > 0) {
    problems.push(
      problem(
        texts,
        "shadow",
        "warning",
        "nobody-logs-in",
        "nobody has a password: without a key for ssh, or a login that asks for none, all are locked out",
        "Set root's: openssl passwd -6 makes what stands in the second field of /etc/shadow.",
      ),
    );
  }
  return problems;
}

function checkFit(
  facts: CheckFacts,
  { users, groups, shadows, hasShadow }: ParsedAccounts,
): Problem[] {
  const { texts } = facts;
  const problems: Problem[] = [];
  if (isOwn(facts, "passwd", "shadow") && hasShadow) {
    const known = new Set(shadows.map(({ name }) => name));
    const without = users.filter(
      ({ name, password }) => password === "x" && !known.has(name),
    );
    const people = without.filter(({ uid }) => uid === 0 || isOwnId(uid));
    const level = people.length > 0 ? "error" : "warning";
    if (without.length > 0) {
      const names = [
        ...people,
        ...without.filter((user) => !people.includes(user)),
      ].map(({ name }) => name);
      problems.push(
        problem(
          texts,
          "shadow",
          level,
          "shadow-missing",
          `/etc/shadow has no line for ${listNames(names)}, whom /etc/passwd has: they cannot log in`,
          "Add the lines: NAME:!:::::::, or with a password in place of the exclamation mark.",
        ),
      );
    }
    const passwdNames = new Set(users.map(({ name }) => name));
    const idle = shadows.filter(({ name }) => !passwdNames.has(name));
    if (idle.length > 0) {
      problems.push(
        problem(
          texts,
          "shadow",
          "warning",
          "shadow-idle",
          `/etc/shadow has lines for ${listNames(idle.map(({ name }) => name))}, whom /etc/passwd does not have`,
          "Add them to /etc/passwd, or remove the lines.",
        ),
      );
    }
  }
  if (isOwn(facts, "passwd", "group")) {
    const numbers = new Set(groups.map(({ gid }) => gid));
    const groupless = users
      .filter(({ gid }) => !numbers.has(gid))
      .map(({ name, gid }) => `${name} (${String(gid)})`);
    if (groupless.length > 0) {
      problems.push(
        problem(
          texts,
          "group",
          "warning",
          "group-missing",
          `/etc/group does not have the own groups of ${listNames(groupless)}`,
          "Add the groups, by these numbers.",
        ),
      );
    }
    const names = new Set(users.map(({ name }) => name));
    const strangers = new Set(
      groups.flatMap(({ members }) =>
        members.filter((name) => !names.has(name)),
      ),
    );
    if (strangers.size > 0) {
      problems.push(
        problem(
          texts,
          "group",
          "warning",
          "group-strangers",
          `/etc/group has members that /etc/passwd does not have: ${listNames([...strangers])}`,
          "Add them to /etc/passwd, or remove them from the groups.",
        ),
      );
    }
  }
  return problems;
}

/** A login shell that is not there ends each login. */
function checkShells(facts: CheckFacts, { users }: ParsedAccounts): Problem[] {
  const { texts, stands } = facts;
  if (!isOwn(facts, "passwd")) return [];
  const lost = users
    .filter(({ uid }) => uid === 0 || isOwnId(uid))
    .filter(({ shell }) => shell !== "" && !stands(shell))
    .map(({ name, shell }) => `${name} (${shell})`);
  if (lost.length === 0) return [];
  return [
    problem(
      texts,
      "passwd",
      "error",
      "shell-missing",
      `the new root does not have the shells of ${listNames(lost)}: they cannot log in`,
      "Name a shell that the image has, or install it in the image.",
    ),
  ];
}

/**
 * Files of the image carry its numbers, and its services name their users: with others, services do
 * not start, the message bus and ssh among them, and logins with them.
 */
function checkSystemUsers(
  facts: CheckFacts,
  { users }: ParsedAccounts,
): Problem[] {
  const { texts, imageTexts } = facts;
  if (!isOwn(facts, "passwd") || imageTexts.passwd === undefined) return [];
  const numbers = new Map(users.map(({ name, uid }) => [name, uid]));
  const ofImage = parsePasswd(imageTexts.passwd).entries.filter(({ uid }) =>
    isSystemId(uid),
  );
  return compareNumbers(
    texts,
    "passwd",
    "system users",
    ofImage.map(({ name, uid }) => [name, uid]),
    numbers,
    "error",
  );
}

/** Most groups give access alone: one that is missing is missed by few. */
function checkSystemGroups(
  facts: CheckFacts,
  { groups }: ParsedAccounts,
): Problem[] {
  const { texts, imageTexts } = facts;
  if (!isOwn(facts, "group") || imageTexts.group === undefined) return [];
  const numbers = new Map(groups.map(({ name, gid }) => [name, gid]));
  const ofImage = parseGroup(imageTexts.group).entries.filter(({ gid }) =>
    isSystemId(gid),
  );
  return compareNumbers(
    texts,
    "group",
    "system groups",
    ofImage.map(({ name, gid }) => [name, gid]),
    numbers,
    "warning",
  );
}

function compareNumbers(
  texts: CheckFacts["texts"],
  file: "passwd" | "group",
  what: string,
  ofImage: readonly (readonly [string, number])[],
  numbers: ReadonlyMap<string, number>,
  missingLevel: Problem["level"],
): Problem[] {
  const missing = ofImage
    .filter(([name]) => !numbers.has(name))
    .map(([name, id]) => `${name} (${String(id)})`);
  const others = ofImage.flatMap(([name, id]) => {
    const other = numbers.get(name);
    return other === undefined || other === id
      ? []
      : [`${name} (${String(other)}, in the image ${String(id)})`];
  });
  const again =
    "Make the file anew from the image's: move it away, then dockroot toplayer init, or edit it in a container of the image.";
  return [
    ...(others.length === 0
      ? []
      : [
          problem(
            texts,
            file,
            "error",
            `${file}-numbers`,
            `/etc/${file} gives ${what} other numbers than the image, whose files then belong to others: ${listNames(others)}`,
            again,
          ),
        ]),
    ...(missing.length === 0
      ? []
      : [
          problem(
            texts,
            file,
            missingLevel,
            `${file}-missing`,
            `/etc/${file} lacks ${what} of the image, whose services and files need them: ${listNames(missing)}`,
            again,
          ),
        ]),
  ];
}

function problem(
  texts: CheckFacts["texts"],
  file: TextFile,
  level: Problem["level"],
  rule: string,
  message: string,
  remedy: string,
): Problem {
  const { entry } = texts[file];
  return {
    ...{ level, rule, message, remedy },
    layer: entry?.layer ?? null,
    path: entry?.path ?? null,
  };
}
