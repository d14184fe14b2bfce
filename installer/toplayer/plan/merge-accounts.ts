import {
  isOwnId,
  parseGroup,
  parsePasswd,
  parseShadow,
  splitMembers,
  type User,
} from "../../system/formats/parse-accounts.ts";
import { planGroups } from "./plan-groups.ts";

/** The texts of the four files. */
export interface AccountTexts {
  readonly passwd: string;
  readonly group: string;
  readonly shadow: string;
  /** Some systems have none. */
  readonly gshadow: string | undefined;
}

/** Who comes from this machine. */
export interface ChosenAccounts {
  readonly users: readonly string[];
  /** Root's password. */
  readonly root: boolean;
}

interface MergedAccounts extends AccountTexts {
  readonly warnings: readonly string[];
}

/** This machine's people; root is none, whatever number it has. */
export function ownUsers({ passwd }: Pick<AccountTexts, "passwd">): User[] {
  return parsePasswd(passwd).entries.filter(
    ({ name, uid }) => isOwnId(uid) && name !== "root",
  );
}

/** A machine's accounts without its people, and without root's password. */
export function withoutPeople(machine: AccountTexts): AccountTexts {
  const users = namesOf(ownUsers(machine));
  const groups = namesOf(
    parseGroup(machine.group).entries.filter(({ gid }) => isOwnId(gid)),
  );
  const withoutUsers = (row: Row) => dropNames(row, users);
  return {
    passwd: format(rowsWithout(machine.passwd, users)),
    group: format(rowsWithout(machine.group, groups).map(withoutUsers)),
    shadow: format(
      rowsWithout(machine.shadow, users).map((row) =>
        row[0] === "root" && row.length > 1 ? row.with(1, "*") : row,
      ),
    ),
    gshadow:
      machine.gshadow &&
      format(rowsWithout(machine.gshadow, groups).map(withoutUsers)),
  };
}

/**
 * The image's accounts, whose system users fit its files, with people of this machine. These keep their
 * numbers, which their files have: who has one of them in the image is left out. A member of one of the
 * image's own groups becomes one again, by the group's name.
 */
export function mergeAccounts(
  image: AccountTexts,
  machine: AccountTexts,
  chosen: ChosenAccounts,
): MergedAccounts {
  const users = ownUsers(machine).filter(({ name }) =>
    chosen.users.includes(name),
  );
  const names = namesOf(users);
  const inImage = parsePasswd(image.passwd).entries.filter(
    ({ name }) => !names.has(name) && name !== "root",
  );
  const numbers = new Map(users.map(({ uid, name }) => [uid, name]));
  const displaced = inImage.filter(({ uid }) => numbers.has(uid));
  const others = inImage.filter(({ uid }) => !numbers.has(uid));
  const people = { users, displaced, others };
  const groups = planGroups(image.group, machine.group, people);
  const gone = namesOf(displaced);
  const passwd = addRows(
    rowsWithout(image.passwd, new Set([...names, ...gone])),
    users.map(({ name, gid, text }) =>
      text
        .split(":")
        .with(1, "x")
        .with(3, String(groups.ownGroups.get(name) ?? gid)),
    ),
  );
  const group = addRows(
    rowsWithout(image.group, groups.gone).map((row) => {
      const rest = dropNames(row, gone);
      const own = groups.joined.get(row[0] ?? "");
      return own === undefined || row.length !== 4
        ? rest
        : setMembers(rest.with(2, String(own.gid)), [
            ...splitMembers(rest[3] ?? ""),
            ...own.members,
          ]);
    }),
    groups.added.map(({ name, gid, members }) =>
      setMembers([name, "x", String(gid), ""], members),
    ),
    ([, , gid]) => groups.added.some((added) => String(added.gid) === gid),
  );
  const taken = takePasswords(machine.shadow, users, chosen.root);
  const members = new Map(
    group.map(([name, , , list = ""]) => [name, splitMembers(list)]),
  );
  return {
    passwd: format(passwd),
    group: format(group),
    shadow: format(
      addMissing(
        rowsWithout(image.shadow, gone).map((row) => taken.get(row[0]) ?? row),
        passwd.filter(([, password]) => password === "x"),
        ([name = ""]) => taken.get(name) ?? lockedRow(name),
      ),
    ),
    gshadow:
      image.gshadow &&
      format(
        addMissing(
          rowsWithout(image.gshadow, groups.gone).map((row) =>
            setMembers(dropNames(row, gone), members.get(row[0])),
          ),
          group,
          ([name = "", , , list = ""]) => [name, "!", "", list],
        ),
      ),
    warnings: [
      ...displaced.map(
        ({ name, uid }) =>
          `the image's user ${name} is left out: ${String(numbers.get(uid))} has the number ${String(uid)} on this machine`,
      ),
      ...groups.warnings,
    ],
  };
}

/** A line's fields; a line that is no entry has others. */
type Row = string[];

/** A row of shadow without a password. */
function lockedRow(name: string): Row {
  return [name, "!", "", "", "", "", "", "", ""];
}

/** The rows of shadow for users, by their names; of root too, where its password is asked for. */
function takePasswords(
  shadow: string,
  users: readonly User[],
  takesRoot: boolean,
): Map<string | undefined, Row> {
  const rows = new Map(
    parseShadow(shadow).entries.map(({ name, text }) => [
      name,
      text.split(":"),
    ]),
  );
  const root = takesRoot ? rows.get("root") : undefined;
  return new Map([
    ...(root === undefined ? [] : [["root", root] as const]),
    ...users.map(({ name, password }) => {
      const row = rows.get(name) ?? lockedRow(name);
      // A password in passwd counts there, too.
      return [name, password === "x" ? row : row.with(1, password)] as const;
    }),
  ]);
}

function rowsWithout(text: string, names: ReadonlySet<string>): Row[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split(":"))
    .filter(([name = ""]) => !names.has(name));
}

function format(rows: readonly Row[]): string {
  return rows.map((row) => `${row.join(":")}\n`).join("");
}

/** Puts rows before the lines of NIS, which come last, and before those that `isAfter` tells. */
function addRows(
  rows: readonly Row[],
  added: readonly Row[],
  isAfter: (row: Row) => boolean = () => false,
): Row[] {
  const index = rows.findIndex(
    (row) => /^[+-]/.test(row[0] ?? "") || isAfter(row),
  );
  return rows.toSpliced(index === -1 ? rows.length : index, 0, ...added);
}

/** Adds a row for each of the entries that have none. */
function addMissing(
  rows: readonly Row[],
  entries: readonly Row[],
  make: (entry: Row) => Row,
): Row[] {
  const present = new Set(rows.map(([name]) => name));
  const missing = entries.filter(
    ([name = "", ...fields]) =>
      fields.length >= 3 && !/^[+-]/.test(name) && !present.has(name),
  );
  return addRows(rows, missing.map(make));
}

/** Drops users from a row of group or gshadow, which has administrators before the members. */
function dropNames(row: Row, names: ReadonlySet<string>): Row {
  if (row.length !== 4) return row;
  const drop = (field: string) =>
    splitMembers(field)
      .filter((name) => !names.has(name))
      .join(",");
  return row.map((field, index) => (index < 2 ? field : drop(field)));
}

function setMembers(row: Row, members: readonly string[] | undefined): Row {
  return row.length !== 4 || members === undefined
    ? row
    : row.with(3, [...new Set(members)].join(","));
}

function namesOf(accounts: readonly { readonly name: string }[]): Set<string> {
  return new Set(accounts.map(({ name }) => name));
}
