import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  MANIFEST_FILE,
  parseManifest,
  type Manifest,
} from "./plan/manifest.ts";
import type { PresentFile, PresentFiles } from "./plan/plan-install.ts";

const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/**
 * What install did here; `undefined` where it did nothing.
 * @throws BootError FILE_UNREADABLE
 */
export function readManifest(host: Host): Manifest | undefined {
  const text = host.readText(MANIFEST_FILE, MAX_MANIFEST_BYTES);
  if (text === undefined) return undefined;
  try {
    return parseManifest(text);
  } catch (cause) {
    throw new BootError("FILE_UNREADABLE", `cannot read ${MANIFEST_FILE}`, {
      cause,
      hint: "It tells what dockroot install did. Restore it, or remove it to go on as if there had been none.",
    });
  }
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
      const status = host.files.statusOf(host.path(path));
      if (status === undefined) return [];
      if (status.kind !== "file") {
        throw new BootError(
          "INSTALL_FAILED",
          `${path} is a ${status.kind}, not a file`,
          { hint: `Move ${path} away first.` },
        );
      }
      const { mode, uid, gid } = status;
      const sha256 = host.files.hashFile(host.path(path));
      return [[path, { sha256, mode, uid, gid }]];
    }),
  );
}
