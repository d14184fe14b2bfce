import { findLogins, REFUSES } from "./logins.ts";
import {
  isOwnId,
  isPassword,
  isSystemId,
  type User,
} from "../../system/formats/parse-accounts.ts";
import type {
  AccountRule,
  CheckedAccounts,
  NumberedName,
} from "./check-accounts.ts";

const ANEW =
  "Start from the image's file: move this one away and run dockroot toplayer init, or edit it in a container of the image.";

export const ACCOUNT_RULES: readonly AccountRule[] = [
  {
    rule: "passwd-root",
    level: "error",
    file: "passwd",
    find: ({ users }) => {
      const root = users.find(({ name }) => name === "root");
      if (root === undefined) return ["has no root"];
      return root.uid === 0 ? [] : [`gives root the UID ${String(root.uid)}`];
    },
    message: (wrong) =>
      `/etc/passwd ${wrong}: services do not start, and nobody can become root`,
    remedy: "Add as its first line: root:x:0:0:root:/root:/bin/sh",
  },
  {
    rule: "passwd-other-root",
    level: "warning",
    file: "passwd",
    find: ({ users }) =>
      namesOf(users.filter(({ name, uid }) => uid === 0 && name !== "root")),
    message: (names) => `/etc/passwd gives root's UID 0 to ${names}`,
    remedy: "Give each another UID, unless it is meant to be root.",
  },
  {
    rule: "passwd-hash",
    level: "error",
    file: "passwd",
    find: ({ users }) =>
      namesOf(users.filter(({ password }) => isPassword(password))),
    message: (names) =>
      `/etc/passwd, which everybody can read, has the passwords of ${names}`,
    remedy:
      "Move them to /etc/shadow: pwconv in a container of the image does.",
  },
  {
    rule: "password-empty",
    level: "warning",
    file: "shadow",
    brought: ["passwd", "shadow"],
    find: ({ passwords }) =>
      namesOf(passwords.filter(({ password }) => password === "")),
    message: (names) =>
      `anyone at the console can log in without a password as ${names}`,
    remedy:
      "Put the output of openssl passwd -6 into the second field of each one's line in /etc/shadow.",
  },
  {
    rule: "nobody-logs-in",
    level: "warning",
    file: "shadow",
    brought: ["passwd", "shadow"],
    find: ({ passwords }, facts) =>
      passwords.some(
        ({ password }) => password === "" || isPassword(password),
      ) || findLogins(facts).automatic !== undefined
        ? []
        : ["nobody"],
    message: (nobody) =>
      `${nobody} has a password: without a key for ssh, or an automatic login, nobody can log in`,
    remedy:
      "Put the output of openssl passwd -6 into the second field of root's line in /etc/shadow.",
  },
  {
    rule: "shadow-missing",
    level: (accounts) =>
      findShadowless(accounts).some(isPerson) ? "error" : "warning",
    file: "shadow",
    brought: ["passwd", "shadow"],
    find: (accounts, { texts }) => {
      if (texts.shadow.text === undefined) return [];
      const people = findShadowless(accounts).filter(isPerson);
      const all = [...people, ...findShadowless(accounts)];
      return [...new Set(namesOf(all))];
    },
    message: (names) =>
      `/etc/passwd has ${names}, and /etc/shadow has no line for them: they cannot log in`,
    remedy:
      "Add the lines: NAME:!:::::::, or with a password in place of the exclamation mark.",
  },
  {
    rule: "shadow-idle",
    level: "warning",
    file: "shadow",
    brought: ["passwd", "shadow"],
    find: ({ users, shadows }) => without(namesOf(shadows), namesOf(users)),
    message: (names) =>
      `/etc/shadow has lines for ${names}, who are not in /etc/passwd`,
    remedy: "Add them to /etc/passwd, or remove the lines.",
  },
  {
    rule: "group-of-user-missing",
    level: "warning",
    file: "group",
    brought: ["passwd", "group"],
    find: ({ users, groups }) => {
      const known = new Set(groups.map(({ gid }) => gid));
      return users
        .filter(({ gid }) => !known.has(gid))
        .map(({ name, gid }) => `${name} (${String(gid)})`);
    },
    message: (names) =>
      `/etc/group does not have the primary groups of ${names}`,
    remedy: "Add the groups with these GIDs.",
  },
  {
    rule: "group-strangers",
    level: "warning",
    file: "group",
    brought: ["passwd", "group"],
    find: ({ users, groups }) =>
      without(
        groups.flatMap(({ members }) => members),
        namesOf(users),
      ),
    message: (names) =>
      `/etc/group has members that are not in /etc/passwd: ${names}`,
    remedy: "Add them to /etc/passwd, or remove them from the groups.",
  },
  {
    // A login shell that is not there ends each login.
    rule: "shell-missing",
    level: "error",
    file: "passwd",
    find: ({ users }, { stands }) =>
      users
        .filter(isPerson)
        .filter(
          ({ shell }) => shell !== "" && !REFUSES.test(shell) && !stands(shell),
        )
        .map(({ name, shell }) => `${name} (${shell})`),
    message: (names) =>
      `the new root does not have the shells of ${names}: they cannot log in`,
    remedy: "Name a shell that the image has, or install it in the image.",
  },
  ...checkNumbers("passwd", "system users"),
  ...checkNumbers("group", "system groups"),
];

/**
 * Files of the image carry its numbers, and its services name their users: with others, services do
 * not start, the message bus and ssh among them, and logins with them. Most groups give access alone:
 * one that is missing is missed by few.
 */
function checkNumbers(file: "passwd" | "group", who: string): AccountRule[] {
  const compare = (
    { numbers }: CheckedAccounts,
    describe: (name: string, id: number, own: number | undefined) => string,
  ) => {
    const { own, ofImage } = numbers[file];
    const known = new Map(own.map(({ name, id }) => [name, id]));
    return ofImage
      .filter(
        ({ name, id }) =>
          isSystemId(id) && (file === "group" || name !== "root"),
      )
      .map(({ name, id }) => describe(name, id, known.get(name)))
      .filter((text) => text !== "");
  };
  const ids = file === "passwd" ? "UIDs" : "GIDs";
  return [
    {
      rule: `${file}-numbers`,
      level: "error",
      file,
      find: (accounts) =>
        compare(accounts, (name, id, own = id) =>
          own === id
            ? ""
            : `${name} (${String(own)}, in the image ${String(id)})`,
        ),
      message: (names) =>
        `/etc/${file} gives ${who} other ${ids} than the image, whose files would belong to others: ${names}`,
      remedy: ANEW,
    },
    {
      rule: `${file}-missing`,
      level: file === "passwd" ? "error" : "warning",
      file,
      find: (accounts) =>
        compare(accounts, (name, id, own) =>
          own === undefined ? `${name} (${String(id)})` : "",
        ),
      message: (names) =>
        `/etc/${file} has no line for ${who} that the services and files of the image need: ${names}`,
      remedy: ANEW,
    },
    {
      // PAM and sudo ask for the first one's password, and ls and whoami show it.
      rule: `${file}-same-number`,
      level: "warning",
      file,
      find: ({
        numbers: {
          [file]: { own, ofImage },
        },
      }) => {
        const isOfImage = (given: NumberedName) =>
          ofImage.some(
            ({ name, id }) => name === given.name && id === given.id,
          );
        const shared = [...Map.groupBy(own, ({ id }) => id)].filter(
          ([id, names]) =>
            names.length > 1 &&
            !names.every(isOfImage) &&
            (file === "group" || id !== 0),
        );
        return shared.map(
          ([id, names]) =>
            `${String(id)} (${names.map(({ name }) => name).join(", ")})`,
        );
      },
      message: (found) =>
        `/etc/${file} gives several names the same ${ids.slice(0, -1)}, and programs use the first: ${found}`,
      remedy: "Give each its own, or remove the line that is not used here.",
    },
  ];
}

function findShadowless({ users, shadows }: CheckedAccounts): User[] {
  const known = new Set(namesOf(shadows));
  return users.filter(
    ({ name, password }) => password === "x" && !known.has(name),
  );
}

function isPerson({ uid }: User): boolean {
  return uid === 0 || isOwnId(uid);
}

function namesOf(accounts: readonly { readonly name: string }[]): string[] {
  return accounts.map(({ name }) => name);
}

/** Each once. */
function without(names: readonly string[], known: readonly string[]): string[] {
  return [...new Set(names)].filter((name) => !known.includes(name));
}
