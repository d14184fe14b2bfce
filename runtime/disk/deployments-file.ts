import path from "node:path";
import { BootError } from "../base/errors.ts";
import { formatJson } from "../base/escape.ts";
import { readBytesIn } from "../host/follow-in.ts";
import {
  noDeployments,
  parseDeployments,
  type Deployments,
} from "../records/deployments.ts";
import { syncFilesystem } from "./btrfs.ts";
import type { Disk } from "./disk.ts";

const MAX_STATE_BYTES = 16 * 1024 * 1024;

/** @throws BootError FILE_UNREADABLE where it is damaged, STATE_TOO_NEW */
export function readDeployments(disk: Disk): Deployments {
  const { host, topLevel, paths } = disk;
  if (!disk.hasDirectory(paths.directory)) return noDeployments(paths.rwlayer);
  const bytes = readBytesIn(host, topLevel, paths.deployments, MAX_STATE_BYTES);
  if (bytes === undefined) return noDeployments(paths.rwlayer);
  try {
    return parseDeployments(bytes.toString("utf8"));
  } catch (cause) {
    const isNew = cause instanceof BootError && cause.code === "STATE_TOO_NEW";
    throw new BootError(
      isNew ? "STATE_TOO_NEW" : "FILE_UNREADABLE",
      isNew
        ? `${paths.deployments} was written by a newer dockroot`
        : `${paths.deployments} is damaged`,
      {
        cause,
        hint: isNew
          ? "Use that dockroot."
          : `Nothing is changed, and the entries of the boot menu stay as they are. Rename the file to begin anew: it is ${paths.deployments} on the filesystem's top level.`,
      },
    );
  }
}

/**
 * As `writeDeployments`; all that was written before is durable, too. What is being built there stays recorded.
 * @throws BootError FILE_UNREADABLE, HelperError
 */
export async function recordDurably(
  disk: Disk,
  state: Deployments,
): Promise<void> {
  const { isBuilding } = { ...readDeployments(disk), ...state };
  writeDeployments(disk, isBuilding ? { ...state, isBuilding } : state);
  await syncFilesystem(disk);
}

/** Replaces deployments.json as a whole; durable when it returns. */
export function writeDeployments(disk: Disk, state: Deployments): void {
  const { files } = disk.host;
  const { directory, deployments } = disk.paths;
  files.ensureDirectory(disk.at(path.dirname(directory)), 0o700);
  files.ensureDirectory(disk.at(directory), 0o700);
  files.writeFile(
    disk.at(deployments),
    { text: formatJson(state) },
    { mode: 0o600 },
  );
}
