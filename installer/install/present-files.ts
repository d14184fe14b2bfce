import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import type { FileStatus } from "../../runtime/host/files.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { Change, PresentFile, PresentFiles } from "./plan/plan-files.ts";

/**
 * Looks at the files, their contents included.
 * @throws BootError INSTALL_FAILED where one is no regular file
 */
export function gatherPresent(
  host: Host,
  paths: readonly string[],
): PresentFiles {
  return new Map(
    paths.flatMap((path): [string, PresentFile][] => {
      const status = statusOfFile(host, path);
      if (status === undefined) return [];
      const { mode, uid, gid } = status;
      const sha256 = host.files.hashFile(host.path(path));
      return [[path, { sha256, mode, uid, gid }]];
    }),
  );
}

/** `undefined` where it is absent. @throws BootError INSTALL_FAILED where it is no regular file */
export function statusOfFile(host: Host, file: string): FileStatus | undefined {
  const status = host.files.statusOf(host.path(file));
  if (status === undefined || status.kind === "file") return status;
  throw new BootError(
    "INSTALL_FAILED",
    `${file} is a ${status.kind}, not a file`,
    {
      hint: `Move ${file} away first.`,
    },
  );
}

/** The directories that changes need and that are not there yet, outer ones first. */
export function missingDirectories(
  host: Host,
  changes: readonly Change[],
): string[] {
  const missing = new Set<string>();
  const add = (directory: string) => {
    if (host.files.statusOfTarget(host.path(directory))) return;
    add(path.dirname(directory));
    missing.add(directory);
  };
  for (const { kind, path: file } of changes) {
    if (kind === "write") add(path.dirname(file));
  }
  return [...missing];
}
