import type { Host } from "./host.ts";
import { resolveInRoot } from "../base/resolve-in-root.ts";

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
      : { kind: status.kind === "directory" ? "directory" : "other" };
  });
}

/**
 * The whole content of a file in a tree that may be hostile: links are followed inside of it alone.
 * @param file relative to the tree
 * @returns `undefined` where there is no such file, or links loop
 * @throws BootError FILE_UNREADABLE, as `readBytes`
 */
export function readBytesIn(
  host: Host,
  tree: string,
  file: string,
  maxBytes: number,
): Buffer | undefined {
  const target = followIn(host, tree, file);
  return target === undefined
    ? undefined
    : host.files.readBytes(target, maxBytes);
}
