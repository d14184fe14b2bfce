import { followIn } from "../host/follow-in.ts";
import { BootError } from "../base/errors.ts";
import type { FileStatus } from "../host/files.ts";
import type { Host } from "../host/host.ts";
import { BOOT_LOG } from "../records/boot-record.ts";
import { resolveInRoot } from "../base/resolve-in-root.ts";

// Whoever can put something into a run directory has root write and mount where it leads. The one of a
// boot is not looked at: nobody else makes anything in /run, and odd modes in an initramfs, where there
// is nobody else, must not stop a boot.

const WRITABLE_BY_OTHERS = 0o022;

const STICKY = 0o1000;

/**
 * Makes the run directory where it is absent.
 * @param given absolute
 * @returns the path without symlinks: the kernel names mount points so
 * @throws BootError FILE_FOREIGN where others than root can change what is in it, or replace it
 */
export function openRunDirectory(host: Host, given: string): string {
  const isDefault = given === DEFAULT_RUN_DIRECTORY;
  host.files.ensureDirectories(isDefault ? given : followToOwn(host, given));
  // Somebody else may have made some of it since.
  const directory = requireOwnRunDirectory(host, given);
  // A line that cannot be written is lost in silence.
  if (!isDefault) {
    requireOwn(host, `${directory}/${BOOT_LOG}`, "file", "write to");
  }
  return directory;
}

/**
 * As `openRunDirectory`, for a directory that is there.
 * @throws BootError FILE_FOREIGN
 */
export function requireOwnRunDirectory(host: Host, given: string): string {
  if (given === DEFAULT_RUN_DIRECTORY) {
    return followIn(host, "", given) ?? given;
  }
  const directory = followToOwn(host, given);
  const status = host.files.statusOf(directory);
  if (status?.kind !== "directory") {
    throw refuse(given, `${directory} is not a directory`);
  }
  if ((status.mode & WRITABLE_BY_OTHERS) !== 0) {
    throw refuse(given, `users other than root may write to ${directory}`);
  }
  return directory;
}

/**
 * Makes a directory in the run directory, to mount at or in.
 * @throws BootError FILE_FOREIGN where something else has its name
 */
export function makeOwnDirectory(host: Host, directory: string): void {
  requireOwn(host, directory, "directory", "mount anything at");
  host.files.ensureDirectories(directory);
}

/**
 * Follows the path, of which every part must be root's. In a sticky directory nobody else can rename
 * or remove what is root's.
 * @returns the path without symlinks; what is absent is kept as it is
 * @throws BootError FILE_FOREIGN
 */
function followToOwn(host: Host, given: string): string {
  const look = (file: string) => {
    const status = host.files.statusOf(file);
    if (status === undefined) return undefined;
    if (status.uid !== 0) {
      throw refuse(given, `${file} belongs to user ${String(status.uid)}`);
    }
    if (status.kind === "symlink") {
      const target = host.files.linkTarget(file);
      return { kind: "symlink", target } as const;
    }
    if (
      (status.mode & WRITABLE_BY_OTHERS) !== 0 &&
      (status.mode & STICKY) === 0
    ) {
      throw refuse(given, `users other than root may write to ${file}`);
    }
    return {
      kind: status.kind === "directory" ? "directory" : "other",
    } as const;
  };
  look("/");
  const directory = resolveInRoot("", given, look);
  if (directory === undefined) throw refuse(given, "its symlinks loop");
  return directory === "" ? "/" : directory;
}

/**
 * Nothing where it is absent.
 * @param use what is to be done with it
 * @throws BootError FILE_FOREIGN
 */
function requireOwn(
  host: Host,
  file: string,
  wanted: FileStatus["kind"],
  use: string,
): void {
  const { kind = wanted, uid = 0 } = host.files.statusOf(file) ?? {};
  if (kind === wanted && uid === 0) return;
  const owner = uid === 0 ? "" : ` of user ${String(uid)}`;
  throw new BootError(
    "FILE_FOREIGN",
    `cannot ${use} ${file}: it is a ${kind}${owner}`,
    { hint: `Find out who put it there, then remove ${file}.` },
  );
}

function refuse(given: string, why: string): BootError {
  return new BootError(
    "FILE_FOREIGN",
    `cannot use the run directory ${given}: ${why}`,
    {
      hint: "Name one that only root can change or replace, such as /run/dockroot-rehearsal.",
    },
  );
}

export const DEFAULT_RUN_DIRECTORY = "/run/dockroot";

/** Another, so that a rehearsal does not replace the record of the running system's boot. */
export const REHEARSAL_RUN_DIRECTORY = "/run/dockroot-rehearsal";
