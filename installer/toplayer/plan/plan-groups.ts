import {
  isOwnId,
  parseGroup,
  type Group,
  type User,
} from "../../system/formats/parse-accounts.ts";

type NewGroup = Omit<Group, "text">;

/** What becomes of the groups of the image, and which come from this machine. */
interface GroupPlan {
  /** The image's that have no line any more. */
  readonly gone: ReadonlySet<string>;
  /** The image's that people of this machine join, by name: their numbers in the new root, the new members. */
  readonly joined: ReadonlyMap<string, NewGroup>;
  readonly added: readonly NewGroup[];
  /** The number of each user's own group in the new root. */
  readonly ownGroups: ReadonlyMap<string, number>;
  readonly warnings: readonly string[];
}

interface Users {
  /** People of this machine. */
  readonly users: readonly User[];
  /** The image's users whose numbers these have. */
  readonly displaced: readonly User[];
  /** The image's other users. */
  readonly others: readonly User[];
}

/**
 * Plans the groups of a new root. A group that both have is the image's, whose files have its number;
 * but a person's own group keeps this machine's, as the person's files do.
 */
export function planGroups(
  image: string,
  machine: string,
  { users, displaced, others }: Users,
): GroupPlan {
  const isAlone = ({ name, gid, members }: Group) =>
    isOwnId(gid) &&
    displaced.some((user) => user.name === name || user.gid === gid) &&
    !others.some((user) => user.gid === gid) &&
    members.every((member) => displaced.some((user) => user.name === member));
  const { gone = [], stay: ofImage = [] } = Object.groupBy(
    parseGroup(image).entries,
    (group) => (isAlone(group) ? "gone" : "stay"),
  );
  const joined = new Map<string, NewGroup>();
  const added: NewGroup[] = [];
  /** A group's number here, to its number in the new root. */
  const numbers = new Map<number, number>();
  const warnings: string[] = [];
  const has = (group: Partial<Group>) =>
    [...ofImage, ...added].some(
      ({ name, gid }) => name === group.name || gid === group.gid,
    );
  for (const group of parseGroup(machine).entries) {
    const { name, gid } = group;
    const members = group.members.filter((member) =>
      users.some((user) => user.name === member),
    );
    const owners = users.filter((user) => user.gid === gid);
    if (members.length === 0 && owners.length === 0) continue;
    const same = ofImage.find((other) => other.name === name);
    if (same !== undefined) {
      const isPersons = owners.length > 0 && isOwnId(gid) && isOwnId(same.gid);
      const number = isPersons ? gid : same.gid;
      joined.set(name, { name, gid: number, members });
      numbers.set(gid, number);
    } else if (isOwnId(gid) || (owners.length > 0 && !has({ gid }))) {
      if (!isOwnId(gid)) {
        warnings.push(
          `the image has no group ${name}, ${owners.map((owner) => owner.name).join(", ")}'s primary group: it is added with this machine's number ${String(gid)}`,
        );
      }
      added.push({ name, gid, members });
      numbers.set(gid, gid);
    } else {
      const all = [...owners.map((owner) => owner.name), ...members];
      warnings.push(
        `the image has no group ${name}: ${all.join(", ")} is not in it`,
      );
    }
  }
  const ownGroups = new Map(
    users.map(({ name, uid, gid }): [string, number] => {
      const number = numbers.get(gid);
      if (number !== undefined) return [name, number];
      if (has({ name, gid: uid })) {
        warnings.push(
          `${name}'s primary group keeps the number ${String(gid)}, which may be another group's in the image`,
        );
        return [name, gid];
      }
      added.push({ name, gid: uid, members: [] });
      warnings.push(
        `the primary group of ${name} is the new group ${name} (${String(uid)})`,
      );
      return [name, uid];
    }),
  );
  for (const { name, gid } of added) {
    const other = ofImage.find((group) => group.gid === gid);
    if (other === undefined) continue;
    warnings.push(
      `the group ${name} has the number ${String(gid)}, as the image's group ${other.name}`,
    );
  }
  return {
    gone: new Set(gone.map(({ name }) => name)),
    joined,
    added,
    ownGroups,
    warnings,
  };
}
