import {
  isSystemId,
  parseGroup,
  parsePasswd,
} from "../../system/formats/parse-accounts.ts";
import type { CheckFacts } from "./check-facts.ts";
import { listNames } from "../../../runtime/base/list-names.ts";
import type { Problem } from "./problem.ts";
import { accountProblem, bringsAny, type CheckedAccounts } from "./accounts.ts";

/** Name to number. */
type Numbers = ReadonlyMap<string, number>;

const ANEW =
  "Make the file anew from the image's: move it away, then dockroot toplayer init, or edit it in a container of the image.";

/**
 * Files of the image carry its numbers, and its services name their users: with others, services do
 * not start, the message bus and ssh among them, and logins with them.
 */
export function checkSystemUsers(
  facts: CheckFacts,
  { users }: CheckedAccounts,
): Problem[] {
  const { passwd } = facts.imageTexts;
  if (!bringsAny(facts, "passwd") || passwd === undefined) return [];
  const ofImage = parsePasswd(passwd)
    .entries.filter(({ name, uid }) => isSystemId(uid) && name !== "root")
    .map(({ name, uid }) => [name, uid] as const);
  const own = new Map(users.map(({ name, uid }) => [name, uid]));
  return [
    ...checkOtherNumbers(facts, "passwd", new Map(ofImage), own),
    ...checkMissing(facts, "passwd", new Map(ofImage), own),
  ];
}

/** Most groups give access alone: one that is missing is missed by few. */
export function checkSystemGroups(
  facts: CheckFacts,
  { groups }: CheckedAccounts,
): Problem[] {
  const { group } = facts.imageTexts;
  if (!bringsAny(facts, "group") || group === undefined) return [];
  const ofImage = parseGroup(group)
    .entries.filter(({ gid }) => isSystemId(gid))
    .map(({ name, gid }) => [name, gid] as const);
  const own = new Map(groups.map(({ name, gid }) => [name, gid]));
  return [
    ...checkOtherNumbers(facts, "group", new Map(ofImage), own),
    ...checkMissing(facts, "group", new Map(ofImage), own),
  ];
}

const WHO = { passwd: "system users", group: "system groups" } as const;

function checkOtherNumbers(
  facts: CheckFacts,
  file: "passwd" | "group",
  ofImage: Numbers,
  own: Numbers,
): Problem[] {
  const others = [...ofImage].flatMap(([name, id]) => {
    const other = own.get(name);
    return other === undefined || other === id
      ? []
      : [`${name} (${String(other)}, in the image ${String(id)})`];
  });
  if (others.length === 0) return [];
  return [
    accountProblem(facts, file, {
      level: "error",
      rule: `${file}-numbers`,
      message: `/etc/${file} gives ${WHO[file]} other numbers than the image, whose files then belong to others: ${listNames(others)}`,
      remedy: ANEW,
    }),
  ];
}

function checkMissing(
  facts: CheckFacts,
  file: "passwd" | "group",
  ofImage: Numbers,
  own: Numbers,
): Problem[] {
  const missing = [...ofImage]
    .filter(([name]) => !own.has(name))
    .map(([name, id]) => `${name} (${String(id)})`);
  if (missing.length === 0) return [];
  return [
    accountProblem(facts, file, {
      level: file === "passwd" ? "error" : "warning",
      rule: `${file}-missing`,
      message: `/etc/${file} lacks ${WHO[file]} of the image, whose services and files need them: ${listNames(missing)}`,
      remedy: ANEW,
    }),
  ];
}
