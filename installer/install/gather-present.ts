import { BootError } from "../../runtime/base/errors.ts";
import type { FileStatus } from "../../runtime/host/files.ts";
import type { Host } from "../../runtime/host/host.ts";
import { readStateFile } from "./journal.ts";
import {
  MANIFEST_FILE,
  parseManifest,
  type Manifest,
} from "./plan/manifest.ts";
import type { PresentFile, PresentFiles } from "./plan/plan-files.ts";

const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/**
 * What install did here; `undefined` where it did nothing.
 * @throws BootError FILE_UNREADABLE
 */
export function readManifest(host: Host): Manifest | undefined {
  return readStateFile(
    host,
    MANIFEST_FILE,
    MAX_MANIFEST_BYTES,
    parseManifest,
    "It tells what dockroot install did. Restore it, or remove it to go on as if there had been none.",
  );
}

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
