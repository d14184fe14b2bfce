import { isOwnId } from "../../system/formats/parse-accounts.ts";
import type { CheckedEntry, CheckFacts } from "./check-facts.ts";
import { listNames } from "../../../runtime/base/list-names.ts";
import type { Problem } from "./problem.ts";

/** What all programs read, root's among them. */
const OF_THE_SYSTEM = /^\/(?:etc|usr|s?bin|lib(?:x?32|64)?|boot|root)\//;

/** A top layer that is edited by a person, or kept in git, has that one's files. */
export function checkOwners({ entries }: CheckFacts): Problem[] {
  const foreign = entries
    .filter(isCopiedAnew)
    .filter(({ target }) => OF_THE_SYSTEM.test(target))
    .filter(({ attributes }) => isOwnId(attributes.uid))
    .map(({ path, attributes }) => `${path} (${String(attributes.uid)})`);
  if (foreign.length === 0) return [];
  return [
    {
      ...{ level: "warning", rule: "owner", layer: null, path: null },
      message: `files of the system belong to people, who can change what root runs and reads: ${listNames(foreign)}`,
      remedy: "In the top layer's directory: chown -h root:root FILE",
    },
  ];
}

/** Of directories that merge another rule tells. */
function isCopiedAnew({ effect, isCovered }: CheckedEntry): boolean {
  return !isCovered && (effect === "add" || effect === "replace");
}

/** What is on vfat and its like has no owner. The start makes the best of it, by names alone. */
export function checkOwnerless({ ownerless }: CheckFacts): Problem[] {
  return ownerless.map((layer) => ({
    level: "warning",
    rule: "ownerless",
    layer,
    path: null,
    message:
      "the top layer is on a filesystem that keeps neither owners nor modes: all of it becomes root's, and what looks secret is readable for root alone",
    remedy:
      "Where owners matter, put it on the partition of the image store, or on another with a filesystem of Linux.",
  }));
}
