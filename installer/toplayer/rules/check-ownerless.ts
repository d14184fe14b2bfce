import type { CheckFacts } from "./check-facts.ts";
import type { Problem } from "./problem.ts";

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
