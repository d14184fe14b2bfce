import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";

/**
 * Whether there is such a directory, no part of whose path is a link, which could lead anywhere.
 * @param directory relative to the top level
 * @throws BootError FILE_UNREADABLE where something else stands there
 */
export function requireDirectories(
  host: Host,
  topLevel: string,
  directory: string,
): boolean {
  const parent = path.dirname(directory);
  if (
    parent !== "../commands/status" &&
    !requireDirectories(host, topLevel, parent)
  ) {
    return false;
  }
  const kind = host.files.statusOf(path.join(topLevel, directory))?.kind;
  if (kind === undefined || kind === "directory") return kind !== undefined;
  throw new BootError("FILE_UNREADABLE", `${directory} is not a directory`, {
    hint: "Rename it: dockroot keeps what is its own there.",
  });
}
