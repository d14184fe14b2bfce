import type { Host } from "./host/host.ts";
import { resolveInRoot } from "./resolve-in-root.ts";

/** Where a path leads inside a tree, as `resolveInRoot` says, on the machine's files. */
export function followIn(
  host: Host,
  tree: string,
  file: string,
): string | undefined {
  return resolveInRoot(tree, file, (candidate) => {
    const status = host.files.statusOf(candidate);
    if (status === undefined) return undefined;
    return status.kind === "symlink"
      ? { kind: "symlink", target: host.files.linkTarget(candidate) }
      : { kind: "other" };
  });
}
