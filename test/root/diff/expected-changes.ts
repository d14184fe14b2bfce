import type { TreeEntry, TreeListing } from "../../../fixtures/tree-listing.ts";

/**
 * Where two trees differ, found by comparing all that is in them: the highest places alone, each with what differs.
 * Hard links are left out: a name more or less of a file is one of its own.
 */
export function expectedChanges(
  before: TreeListing,
  after: TreeListing,
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const path of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (isBelowOther(path, before, after)) continue;
    const [was, is] = [before[path], after[path]];
    const change = compare(was, is);
    if (change !== "") found[path] = change;
  }
  return found;
}

/** Whether something above it is in one of both alone, or of another kind. */
function isBelowOther(
  path: string,
  before: TreeListing,
  after: TreeListing,
): boolean {
  if (path === "") return false;
  const parent = path.slice(0, Math.max(path.lastIndexOf("/"), 0));
  const areDirectories = [before, after].every(
    (tree) => tree[parent]?.kind === "directory",
  );
  return !areDirectories || isBelowOther(parent, before, after);
}

function compare(
  was: TreeEntry | undefined,
  is: TreeEntry | undefined,
): string {
  if (was === undefined) return "added";
  if (is === undefined) return "deleted";
  if (was.kind !== is.kind) return "type";
  const differs: readonly (readonly [string, boolean])[] = [
    ["content", was.sha256 !== is.sha256],
    ["target", was.target !== is.target],
    ["device", was.device !== is.device],
    ["mode", was.kind !== "symlink" && was.mode !== is.mode],
    ["owner", was.owner !== is.owner],
    ["xattrs", JSON.stringify(was.xattrs) !== JSON.stringify(is.xattrs)],
  ];
  return differs
    .filter(([, isOther]) => isOther)
    .map(([name]) => name)
    .join(" ");
}
