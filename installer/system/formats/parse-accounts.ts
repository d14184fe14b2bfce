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

/** A line that programs may not read as it is meant, and why. */
export interface OddLine {
  /** From 1. */
  readonly number: number;
  readonly why: string;
}

/** What one of the files holds. */
interface Accounts<T extends Named> {
  /** In the file's order; each name once. */
  readonly entries: readonly T[];
  readonly odd: readonly OddLine[];
}

/** @see https://man7.org/linux/man-pages/man5/passwd.5.html */
export function parsePasswd(text: string): Accounts<User> {
  return parseAccounts(text, 7, (text, fields) => {
    const [name = "", password = "", uidText = "", gidText = ""] = fields;
    const [, , , , , home = "", shell = ""] = fields;
    const uid = parseId(uidText);
    const gid = parseId(gidText);
    if (uid === undefined) return `"${uidText}" is not a user ID`;
    if (gid === undefined) return `"${gidText}" is not a group ID`;
    return { name, text, password, uid, gid, home, shell };
  });
}

/** @see https://man7.org/linux/man-pages/man5/group.5.html */
export function parseGroup(text: string): Accounts<Group> {
  return parseAccounts(text, 4, (text, fields) => {
    const [name = "", , gidText = "", members = ""] = fields;
    const gid = parseId(gidText);
    if (gid === undefined) return `"${gidText}" is not a group ID`;
    return { name, text, gid, members: splitMembers(members) };
  });
}

/** @see https://man7.org/linux/man-pages/man5/shadow.5.html */
export const parseShadow = (text: string) => parseAccounts(text, 9, toShadow);

/** @see https://man7.org/linux/man-pages/man5/gshadow.5.html */
export const parseGshadow = (text: string) => parseAccounts(text, 4, toShadow);

export function splitMembers(field: string): string[] {
  return field.split(",").filter((member) => member !== "");
}

function toShadow(text: string, fields: readonly string[]): Shadow {
  const [name = "", password = ""] = fields;
  return { name, text, password };
}

/**
 * What useradd takes somewhere, digits first (Fedora), capitals, and the dollar sign of Samba's machines
 * included, and no more than that: a number alone would be taken for one.
 */
const NAME = /^(?!\d+$|\.{1,2}$)[A-Za-z0-9_.][A-Za-z0-9_.-]*\$?$/;

/**
 * Parses a file of colon-separated fields, the first of which is a name. Blank lines, comments, and
 * the lines of NIS (`+`, `-`) are left out, as glibc does it.
 * @param read gives the entry, or what is odd about the line
 */
function parseAccounts<T extends Named>(
  text: string,
  fieldCount: number,
  read: (text: string, fields: readonly string[]) => T | string,
): Accounts<T> {
  const entries: T[] = [];
  const odd: OddLine[] = [];
  const seen = new Set<string>();
  for (const [index, line] of text.split("\n").entries()) {
    if (/^\s*(?:#.*)?$/.test(line) || /^[+-]/.test(line)) continue;
    const fields = line.split(":");
    const [name = ""] = fields;
    const why = describeOdd(line, fields, fieldCount, seen.has(name));
    if (why === undefined) seen.add(name);
    const entry = why ?? read(line, fields);
    if (typeof entry === "string") odd.push({ number: index + 1, why: entry });
    else entries.push(entry);
  }
  return { entries, odd };
}

function describeOdd(
  line: string,
  fields: readonly string[],
  fieldCount: number,
  isRepeated: boolean,
): string | undefined {
  const [name = ""] = fields;
  const count = fields.length;
  if (count !== fieldCount) {
    return `it has ${String(count)} ${count === 1 ? "field" : "fields"} instead of ${String(fieldCount)}`;
  }
  if (!NAME.test(name)) return `"${name}" is not a valid name`;
  if (line.endsWith("\r"))
    return "it ends with a carriage return, as lines of Windows do";
  return isRepeated ? `${name} has an earlier line` : undefined;
}

/** A number as these files have it; `undefined` for anything else. */
function parseId(text: string): number | undefined {
  if (!/^[0-9]{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  // -1 means "no such" to the kernel.
  return id < 0xffffffff ? id : undefined;
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
