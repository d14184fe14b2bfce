import path from "node:path";
import { followIn, readBytesIn } from "../../runtime/host/follow-in.ts";
import type { Host } from "../../runtime/host/host.ts";

/**
 * The same machine, where paths are those of a tree that may be hostile: links are followed inside of
 * it alone. Programs run as before.
 */
export function rootedHost(host: Host, tree: string): Host {
  return {
    ...host,
    path: (absolute) =>
      followIn(host, tree, absolute) ?? path.join(tree, absolute),
    readText: (absolute, maxBytes) =>
      readBytesIn(host, tree, absolute, maxBytes)?.toString("utf8"),
  };
}
