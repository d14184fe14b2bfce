import {
  parseColonFile,
  parseId,
  type ColonLine,
  type OddLine,
} from "./colon-file.ts";

interface Named {
  readonly name: string;
  /** The line as it stands in the file. */
  readonly text: string;
}

export interface User extends Named {
  readonly password: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

export interface Group extends Named {
  readonly gid: number;
  readonly members: readonly string[];
}

/** A line of shadow or gshadow. */
export interface Shadow extends Named {
  readonly password: string;
}

/** What one of the files holds. */
interface Accounts<T extends Named> {
  /** In the file's order; each name once. */
  readonly entries: readonly T[];
  readonly odd: readonly OddLine[];
}

/** @see https://man7.org/linux/man-pages/man5/passwd.5.html */
export function parsePasswd(text: string): Accounts<User> {
  return parseAccounts(text, 7, ({ text, fields }) => {
    const [name = "", password = "", uidText = "", gidText = ""] = fields;
    const [, , , , , home = "", shell = ""] = fields;
    const uid = parseId(uidText);
    const gid = parseId(gidText);
    if (uid === undefined) return `"${uidText}" is no user number`;
    if (gid === undefined) return `"${gidText}" is no group number`;
    return { name, text, password, uid, gid, home, shell };
  });
}

/** @see https://man7.org/linux/man-pages/man5/group.5.html */
export function parseGroup(text: string): Accounts<Group> {
  return parseAccounts(text, 4, ({ text, fields }) => {
    const [name = "", , gidText = "", members = ""] = fields;
    const gid = parseId(gidText);
    if (gid === undefined) return `"${gidText}" is no group number`;
    return { name, text, gid, members: splitMembers(members) };
  });
}

/** @see https://man7.org/linux/man-pages/man5/shadow.5.html */
export function parseShadow(text: string): Accounts<Shadow> {
  return parseAccounts(text, 9, toShadow);
}

/** @see https://man7.org/linux/man-pages/man5/gshadow.5.html */
export function parseGshadow(text: string): Accounts<Shadow> {
  return parseAccounts(text, 4, toShadow);
}

export function splitMembers(field: string): string[] {
  return field.split(",").filter((member) => member !== "");
}

function toShadow({ text, fields }: ColonLine): Shadow {
  const [name = "", password = ""] = fields;
  return { name, text, password };
}

/** @param read gives the entry, or what is odd about the line */
function parseAccounts<T extends Named>(
  text: string,
  fieldCount: number,
  read: (line: ColonLine) => T | string,
): Accounts<T> {
  const { lines, odd } = parseColonFile(text, fieldCount);
  const entries: T[] = [];
  const alsoOdd: OddLine[] = [];
  for (const line of lines) {
    const entry = read(line);
    if (typeof entry === "string") {
      alsoOdd.push({ number: line.number, why: entry });
    } else entries.push(entry);
  }
  const all = [...odd, ...alsoOdd].sort((a, b) => a.number - b.number);
  return { entries, odd: all };
}

/**
 * The numbers of people, as systemd and shadow have them: below are a system's own, above come
 * `nobody` and what is given out while it runs.
 * @see https://systemd.io/UIDS-GIDS/
 */
const FIRST_OWN = 1000;

const LAST_OWN = 60_000;

export const isOwnId = (id: number) => id >= FIRST_OWN && id <= LAST_OWN;

export const isSystemId = (id: number) => id < FIRST_OWN;

/**
 * Whether one can log in with what stands in the second field of shadow: a hash, not a lock.
 * @see https://man7.org/linux/man-pages/man5/crypt.5.html
 */
export function isPassword(field: string | undefined): boolean {
  return field !== undefined && /^[$_]|^[./0-9A-Za-z]{13}$/.test(field);
}
