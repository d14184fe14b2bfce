import { createHash } from "node:crypto";
import path from "node:path";
import { BootError } from "./host/errors.ts";
import type { Host } from "./host/host.ts";

/** What a top layer holds, its own directory not counted. */
export interface TopLayerRecord {
  /** How the user calls it. */
  readonly name: string;
  /**
   * Changes with every name, kind, owner, mode, size, link, device number and time in the tree, those
   * of the last change of an inode included: contents and xattrs cannot change without one of them.
   */
  readonly digest: string;
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  /** FIFOs, devices and sockets. */
  readonly others: number;
  /** The apparent size of the files. */
  readonly bytes: number;
}

/** Names in one call of cp: far below the kernel's limit on arguments. */
const NAMES_PER_CALL = 500;

/**
 * Copies what is in the directory `from` over the tree `to` with GNU cp: owners, modes, times, hard
 * links, xattrs, ACLs and special files as they are, data shared where both are on one filesystem.
 *
 * The tree's own root directory keeps its owner and mode. What a file or a symlink replaces is
 * removed first, so that nothing is ever written through a symlink of the image.
 * @throws BootError TOPLAYER_UNSUITABLE, HelperError
 */
export async function copyTopLayer(
  host: Host,
  from: string,
  to: string,
): Promise<void> {
  const names = host.files.namesIn(from);
  const unusable = names.find((name) => name.includes("\uFFFD"));
  if (unusable !== undefined) {
    throw new BootError(
      "TOPLAYER_UNSUITABLE",
      `the top layer has "${unusable}", a name that is not valid UTF-8`,
      { hint: "Rename it." },
    );
  }
  for (let start = 0; start < names.length; start += NAMES_PER_CALL) {
    const batch = names.slice(start, start + NAMES_PER_CALL);
    await host.run([
      "cp",
      "--archive",
      "--reflink=auto",
      "--remove-destination",
      `--target-directory=${to}`,
      "--",
      ...batch.map((name) => path.join(from, name)),
    ]);
  }
}

/** Lists the directory `at`, which the user calls `name`. */
export function readTopLayer(
  host: Host,
  at: string,
  name: string,
): TopLayerRecord {
  const digest = createHash("sha256");
  const counts = { files: 0, directories: 0, symlinks: 0, others: 0, bytes: 0 };
  for (const entry of host.files.walkTree(at)) {
    digest.update(entry.path).update(`\0${entry.fingerprint}\n`);
    if (entry.kind === "file") {
      counts.files += 1;
      counts.bytes += entry.sizeBytes;
    } else if (entry.kind === "directory") counts.directories += 1;
    else if (entry.kind === "symlink") counts.symlinks += 1;
    else counts.others += 1;
  }
  return { name, digest: digest.digest("hex"), ...counts };
}
