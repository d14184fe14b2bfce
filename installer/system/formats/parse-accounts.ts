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

/** One line of a file of the kind of /etc/passwd. */
export interface ColonLine {
  /** From 1. */
  readonly number: number;
  readonly text: string;
  readonly fields: readonly string[];
}

/** A line that programs may not read as it is meant, and why. */
export interface OddLine {
  readonly number: number;
  readonly why: string;
}

interface ColonFile {
  readonly lines: readonly ColonLine[];
  readonly odd: readonly OddLine[];
}

/**
 * What useradd takes somewhere, digits first (Fedora), capitals, and the dollar sign of Samba's machines
 * included, and no more than that: a number alone would be taken for one.
 */
const NAME = /^(?!\d+$|\.{1,2}$)[A-Za-z0-9_.][A-Za-z0-9_.-]*\$?$/;

/**
 * Parses a file of colon-separated fields, the first of which is a name. Blank lines, comments, and
 * the lines of NIS (`+`, `-`) are left out, as glibc does it.
 * @see https://man7.org/linux/man-pages/man5/passwd.5.html
 */
export function parseColonFile(text: string, fieldCount: number): ColonFile {
  const lines: ColonLine[] = [];
  const odd: OddLine[] = [];
  const seen = new Set<string>();
  for (const [index, line] of text.split("\n").entries()) {
    const number = index + 1;
    if (/^\s*(?:#.*)?$/.test(line) || /^[+-]/.test(line)) continue;
    const fields = line.split(":");
    const [name = ""] = fields;
    if (fields.length !== fieldCount) {
      const is = String(fields.length);
      odd.push({
        number,
        why: `it has ${is} ${is === "1" ? "field" : "fields"} instead of ${String(fieldCount)}`,
      });
      continue;
    }
    if (!NAME.test(name)) {
      odd.push({ number, why: `"${name}" is no name` });
      continue;
    }
    if (line.endsWith("\r")) {
      odd.push({ number, why: "it ends as lines of Windows do" });
      continue;
    }
    if (seen.has(name)) {
      odd.push({ number, why: `${name} has another line above` });
      continue;
    }
    seen.add(name);
    lines.push({ number, text: line, fields });
  }
  return { lines, odd };
}

/** A number as these files have it; `undefined` for anything else. */
export function parseId(text: string): number | undefined {
  if (!/^[0-9]{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  // -1 means "no such" to the kernel.
  return id < 0xffffffff ? id : undefined;
}
