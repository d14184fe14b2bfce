import { BootError } from "../base/errors.ts";
import type { Host } from "../host/host.ts";
import type { BlockDevice } from "./device.ts";
import type { Disk } from "./disk.ts";

/** The root of a btrfs subvolume has this inode number. */
export const SUBVOLUME_INODE = 256;

/** btrfs may take minutes to clear up what was deleted: a boot does not wait for all of it. */
const MAX_CLEARING_MS = 30_000;

export const ODD_BTRFS =
  "See which program that is, and of which version: command -v btrfs; btrfs --version.";

/** Whether a subvolume's root stands there (not a directory, not a link to one). */
export function isSubvolume(host: Host, file: string | Buffer): boolean {
  const status = host.files.statusOf(file);
  return status?.kind === "directory" && status.inode === SUBVOLUME_INODE;
}

/**
 * A subvolume whose root somebody has made immutable can be neither renamed nor deleted, and nothing
 * can be recorded in a snapshot of it.
 * @param shown how people know it
 * @throws BootError STEP_FAILED
 */
export function refuseImmutable(
  host: Host,
  file: string | Buffer,
  shown: string,
): void {
  if (!host.files.isImmutable(file)) return;
  throw new BootError(
    "STEP_FAILED",
    `${shown} is immutable (chattr +i): it can be neither moved nor deleted`,
    {
      hint: `In the running system, for its own root: chattr -i /. For others mount the filesystem with -o subvolid=5: chattr -i ${shown}`,
    },
  );
}

/**
 * Makes a snapshot; with `isReadOnly` one that takes no writes.
 * @throws HelperError, BootError
 */
export async function snapshotSubvolume(
  host: Host,
  from: string,
  to: string,
  isReadOnly = false,
): Promise<void> {
  if (host.files.statusOf(to) !== undefined) {
    // btrfs would make the snapshot inside of it.
    throw new BootError("STEP_FAILED", `${to} already exists`, {
      hint: `Rename it, with the filesystem mounted with -o subvolid=5.`,
    });
  }
  const flags = isReadOnly ? ["-r"] : [];
  await host.run(["btrfs", "subvolume", "snapshot", ...flags, from, to]);
  if (!isSubvolume(host, to)) {
    throw new BootError(
      "STEP_FAILED",
      `btrfs reported success, but ${to} is not a subvolume`,
      { hint: ODD_BTRFS },
    );
  }
}

/**
 * Renames a subvolume into another directory, which the kernel refuses (EROFS) for a read-only one.
 * @throws HelperError
 */
export async function moveSubvolume(
  host: Host,
  from: string,
  to: string,
): Promise<void> {
  const isReadOnly = host.files.isReadOnly(from);
  if (isReadOnly) await setReadOnly(host, from, false);
  host.files.rename(from, to);
  if (isReadOnly) await setReadOnly(host, to, true);
}

/**
 * Commits what was written to the filesystem so far: it survives a power failure from here on. Not
 * `btrfs filesystem sync`, which succeeds where the data of a file could not be written.
 * @see https://man7.org/linux/man-pages/man2/syncfs.2.html
 * @throws HelperError
 */
export async function syncFilesystem({ host, topLevel }: Disk): Promise<void> {
  await host.run(["sync", "-f", topLevel]);
}

/** What btrfs tells of a subvolume. */
export interface SubvolumeFacts {
  /** Lower case. */
  readonly uuid: string;
  /** What it is a snapshot of. */
  readonly parentUuid: string | undefined;
  /** The number of the transaction that has changed it last. */
  readonly lastChange: number;
  /** That of the transaction that has made it: the same where nothing was written to it since. */
  readonly madeBy: number;
}

/** Asks for the subvolume at `file`. @throws HelperError, BootError */
export async function readSubvolume(
  host: Host,
  file: string,
): Promise<SubvolumeFacts> {
  if (file.includes("\n")) {
    // It is printed as it is, so that it can look like the line with the UUID.
    throw new BootError(
      "RWLAYER_UNSUITABLE",
      `the path ${file} contains a line break`,
      { hint: "Give the rwlayer another name with rootflags=subvol=." },
    );
  }
  const { stdout } = await host.run(["btrfs", "subvolume", "show", file]);
  const facts = parseSubvolumeShow(stdout.toString("utf8"));
  if (facts === undefined) {
    throw new BootError(
      "STEP_FAILED",
      `unexpected output from btrfs subvolume show ${file}`,
      { hint: ODD_BTRFS },
    );
  }
  return facts;
}

const UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";

/**
 * Parses what `btrfs subvolume show` prints; `undefined` where it lacks a UUID or a generation. The
 * first of each counts: later lines are the names of snapshots, which could look like any line.
 */
export function parseSubvolumeShow(text: string): SubvolumeFacts | undefined {
  const field = (name: string, value: string) =>
    new RegExp(`^\\t${name}: +\\t+(${value})$`, "m").exec(text)?.[1];
  const uuid = field("UUID", UUID);
  const lastChange = Number(field("Generation", "\\d+"));
  const madeBy = Number(field("Gen at creation", "\\d+"));
  return uuid === undefined || Number.isNaN(lastChange + madeBy)
    ? undefined
    : { uuid, parentUuid: field("Parent UUID", UUID), lastChange, madeBy };
}

export async function setReadOnly(
  host: Host,
  file: string,
  isReadOnly: boolean,
): Promise<void> {
  const property = ["-ts", file, "ro", String(isReadOnly)];
  await host.run(["btrfs", "property", "set", "-f", ...property]);
}

/**
 * Waits until the space of deleted subvolumes is free again: btrfs clears up in the background, and
 * begins with the next commit.
 */
export async function waitForFreedSpace(
  { host, topLevel }: Disk,
  ids: readonly number[],
): Promise<void> {
  // Unlike syncfs(2) it wakes the cleaner, which else sleeps for up to 30 s.
  await host.run(["btrfs", "filesystem", "sync", topLevel]);
  await host.run(["btrfs", "subvolume", "sync", topLevel, ...ids.map(String)], {
    timeoutMs: MAX_CLEARING_MS,
  });
}

const POLL_MS = 500;

/**
 * Waits until the kernel knows all devices of the btrfs that `device` belongs to.
 * @returns whether it does, after `timeoutMs` at most
 * @throws HelperError
 */
export async function waitForAllDevices(
  host: Host,
  device: BlockDevice,
  timeoutMs: number,
): Promise<boolean> {
  const started = host.nowMs();
  while (!(await isComplete(host, device))) {
    if (host.nowMs() - started >= timeoutMs) return false;
    await host.sleep(POLL_MS);
    // One of them may be there that nobody has told the kernel of.
    await host.run(["btrfs", "device", "scan"], { okExitCodes: [0, 1] });
  }
  return true;
}

/**
 * Whether the kernel knows all devices; where it has no btrfs, that is for mount to say.
 * @see https://btrfs.readthedocs.io/en/latest/btrfs-device.html (ready)
 * @throws HelperError
 */
export async function isComplete(
  host: Host,
  { path }: BlockDevice,
): Promise<boolean> {
  const control = host.path("/dev/btrfs-control");
  if (host.files.statusOf(control) === undefined) return true;
  const { exitCode } = await host.run(["btrfs", "device", "ready", path], {
    okExitCodes: [0, 1],
  });
  return exitCode === 0;
}
