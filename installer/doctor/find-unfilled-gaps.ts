import type { Host } from "../../runtime/host/host.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import { becomesGap, findGaps } from "../../runtime/disk/subvolume-gaps.ts";
import { bytesOf, showPath } from "../../runtime/tree/layer.ts";
import type { CheckedEntry } from "../toplayer/rules/check-facts.ts";

/**
 * Where a new root keeps what a snapshot leaves of nested subvolumes: the boot does not look there, and
 * the top layer has nothing there.
 * @param entries of the top layer
 * @returns paths that begin with a slash, for people
 */
export function findUnfilledGaps(
  host: Host,
  root: string,
  entries: readonly CheckedEntry[],
): string[] {
  const tree = root === "/" ? "" : root;
  const filled = new Set(findGaps(host, tree).map(({ path }) => `/${path}`));
  const mountPoints = new Set(
    readMounts(host).map(({ mountPoint }) => mountPoint),
  );
  const gaps: string[] = [];
  host.files.walkDirectories(tree, (path, status) => {
    if (mountPoints.has(bytesOf(tree, path).toString())) return false;
    if (!becomesGap(status)) return true;
    gaps.push(showPath(path));
    return false;
  });
  return gaps
    .filter((gap) => !filled.has(gap) && !isTouched(entries, gap))
    .toSorted();
}

/** Whether the top layer has a directory there, or removes it. */
function isTouched(entries: readonly CheckedEntry[], gap: string): boolean {
  return entries.some(
    ({ effect, target }) =>
      target === gap ||
      (["replace", "delete", "empty"].includes(effect) &&
        gap.startsWith(`${target}/`)),
  );
}
