import {
  isOwnId,
  parseGroup,
  parseGshadow,
  parsePasswd,
  parseShadow,
  splitMembers,
  type Group,
  type Shadow,
  type User,
} from "../../system/formats/parse-accounts.ts";

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
  const users = new Set(ownUsers(machine).map(({ name }) => name));
  const groups = new Set(
    parseGroup(machine.group)
      .entries.filter(({ gid }) => isOwnId(gid))
      .map(({ name }) => name),
  );
  const dropMembers = (line: string) =>
    editMembers(line, (members) => members.filter((name) => !users.has(name)));
  const { passwd, group, shadow, gshadow } = machine;
  return {
    passwd: joinLines(linesWithout(passwd, users)),
    group: joinLines(linesWithout(group, groups).map(dropMembers)),
    shadow: joinLines(
      linesWithout(shadow, users).map((line) =>
        line.replace(/^root:[^:]*/, "root:*"),
      ),
    ),
    gshadow:
      gshadow === undefined
        ? undefined
        : joinLines(linesWithout(gshadow, groups).map(dropMembers)),
  };
}

/**
 * The image's accounts, whose system users fit its files, with people of this machine.
 * A member of one of the image's own groups becomes one again, by the group's name.
 */
export function mergeAccounts(
  image: AccountTexts,
  machine: AccountTexts,
  chosen: ChosenAccounts,
): MergedAccounts {
  const users = ownUsers(machine).filter(({ name }) =>
    chosen.users.includes(name),
  );
  const warnings: string[] = [];
  const groups = mergeGroups(image, machine, users, warnings);
  return {
    passwd: mergePasswd(image, users, groups, warnings),
    group: joinLines(groups.lines),
    shadow: mergeShadow(image, machine, users, chosen.root),
    gshadow: mergeGshadow(image, groups),
    warnings,
  };
}

interface MergedGroups {
  readonly lines: readonly string[];
  /** The names of those that are new. */
  readonly added: readonly string[];
  /** The members that the image's own have got. */
  readonly joined: ReadonlyMap<string, readonly string[]>;
  /** A group's number here, to its number in the new root. */
  readonly numbers: ReadonlyMap<number, number>;
}

function mergeGroups(
  image: AccountTexts,
  machine: AccountTexts,
  users: readonly User[],
  warnings: string[],
): MergedGroups {
  const ofImage = parseGroup(image.group).entries;
  const byName = new Map(ofImage.map((group) => [group.name, group]));
  const byNumber = new Map(ofImage.map((group) => [group.gid, group]));
  const names = new Set(users.map(({ name }) => name));
  const joined = new Map<string, readonly string[]>();
  const numbers = new Map<number, number>();
  const lines: string[] = [];
  const added: string[] = [];
  for (const group of parseGroup(machine.group).entries) {
    const members = group.members.filter((member) => names.has(member));
    const owners = users
      .filter(({ gid }) => gid === group.gid)
      .map(({ name }) => name);
    if (members.length === 0 && owners.length === 0) continue;
    const same = byName.get(group.name);
    if (same !== undefined) {
      numbers.set(group.gid, same.gid);
      joined.set(group.name, members);
    } else if (isOwnId(group.gid)) {
      const other = byNumber.get(group.gid);
      if (other !== undefined) {
        warnings.push(
          `the group ${group.name} has the number ${String(group.gid)}, as the image's group ${other.name}`,
        );
      }
      numbers.set(group.gid, group.gid);
      added.push(group.name);
      lines.push(`${group.name}:x:${String(group.gid)}:${members.join(",")}`);
    } else {
      warnings.push(
        `the image has no group ${group.name}: ${[...owners, ...members].join(", ")} is not in it`,
      );
    }
  }
  const ofImageNow = rewriteLines(image.group, parseGroup, addMembers(joined));
  return { lines: [...ofImageNow, ...lines], added, joined, numbers };
}

function mergePasswd(
  image: AccountTexts,
  users: readonly User[],
  { numbers }: MergedGroups,
  warnings: string[],
): string {
  const chosen = new Set(users.map(({ name }) => name));
  const kept = parsePasswd(image.passwd).entries.filter(
    ({ name }) => !chosen.has(name),
  );
  const byNumber = new Map(kept.map((user) => [user.uid, user]));
  const lines = users.map((user) => {
    const other = byNumber.get(user.uid);
    if (other !== undefined) {
      warnings.push(
        `${user.name} has the number ${String(user.uid)}, as the image's user ${other.name}`,
      );
    }
    const gid = numbers.get(user.gid);
    if (gid === undefined) {
      warnings.push(
        `${user.name}'s own group keeps the number ${String(user.gid)}, which may be another group's in the image`,
      );
    }
    const fields = user.text.split(":");
    fields[3] = String(gid ?? user.gid);
    return fields.join(":");
  });
  return joinLines([...linesWithout(image.passwd, chosen), ...lines]);
}

function mergeShadow(
  image: AccountTexts,
  machine: AccountTexts,
  users: readonly User[],
  takesRoot: boolean,
): string {
  const names = users.map(({ name }) => name);
  const taken = parseShadow(machine.shadow).entries.filter(
    ({ name }) => names.includes(name) || (takesRoot && name === "root"),
  );
  const lines = new Map(taken.map(({ name, text }) => [name, text]));
  const ofImage = rewriteLines(
    image.shadow,
    parseShadow,
    ({ name, text }) => lines.get(name) ?? text,
  );
  for (const { name } of parseShadow(image.shadow).entries) lines.delete(name);
  return joinLines([...ofImage, ...lines.values()]);
}

function mergeGshadow(
  { gshadow }: AccountTexts,
  { added, joined }: MergedGroups,
): string | undefined {
  if (gshadow === undefined) return undefined;
  const ofImage = rewriteLines(gshadow, parseGshadow, addMembers(joined));
  return joinLines([...ofImage, ...added.map((name) => `${name}:!::`)]);
}

/** @param joined the members that each group has got */
function addMembers(joined: MergedGroups["joined"]) {
  return ({ name, text }: Group | Shadow) =>
    editMembers(text, (members) => [
      ...new Set([...members, ...(joined.get(name) ?? [])]),
    ]);
}

/** Changes a line of group or gshadow: both have their members at the end. */
function editMembers(
  line: string,
  change: (members: readonly string[]) => readonly string[],
): string {
  const fields = line.split(":");
  fields[3] = change(splitMembers(fields[3] ?? "")).join(",");
  return fields.join(":");
}

/** Lines that are no entries stay as they are. */
function rewriteLines<T extends Group | Shadow>(
  text: string,
  parse: (text: string) => { readonly entries: readonly T[] },
  rewrite: (entry: T) => string,
): string[] {
  const entries = new Map(
    parse(text).entries.map((entry) => [entry.text, entry]),
  );
  return linesOf(text).map((line) => {
    const entry = entries.get(line);
    return entry === undefined ? line : rewrite(entry);
  });
}

function linesWithout(text: string, names: ReadonlySet<string>): string[] {
  return linesOf(text).filter(
    (line) => !names.has(line.split(":", 1)[0] ?? ""),
  );
}

function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

function joinLines(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}
