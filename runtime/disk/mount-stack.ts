import path from "node:path";
import { describeDevice, type BlockDevice } from "./device.ts";
import { BootError, SEE_KERNEL_LOG } from "../base/errors.ts";
import { hintFor } from "../base/hints.ts";
import type { Host } from "../host/host.ts";
import { countMounts, isMountPoint, readMounts } from "./mounts.ts";
import { makeOwnDirectory } from "./run-directory.ts";

interface MountRequest {
  readonly device: BlockDevice;
  /** Where to mount it; made when absent. */
  readonly at: string;
  readonly fsType: string | undefined;
  readonly flags: readonly string[];
}

/** A former boot's `finish`, which removes roots, takes no longer. */
const MAX_BUSY_MS = 60_000;
const BUSY_POLL_MS = 100;

/** What was mounted, to be released in reverse. */
export class MountStack {
  readonly #host: Host;
  readonly #points: string[] = [];

  constructor(host: Host) {
    this.#host = host;
  }

  /** As `mountDevice`. */
  async mount(request: MountRequest): Promise<void> {
    await mountDevice(this.#host, request);
    this.add(request.at);
  }

  /** Takes what somebody else has mounted. */
  add(point: string): void {
    this.#points.push(point);
  }

  has(point: string): boolean {
    return this.#points.includes(point);
  }

  /** Unmounts one of it, where that is not done yet. @throws BootError MOUNT_FAILED */
  async unmount(point: string): Promise<void> {
    // A helper may have failed after its work.
    if (isMountPoint(this.#host, point)) await unmount(this.#host, point);
    this.#points.splice(this.#points.lastIndexOf(point), 1);
  }

  /**
   * Unmounts all of it, or all but `kept`; where one cannot be unmounted, the others.
   * @throws BootError MOUNT_FAILED
   */
  async release(...kept: readonly string[]): Promise<void> {
    const failures: unknown[] = [];
    for (const point of this.#points.toReversed()) {
      if (kept.includes(point)) continue;
      try {
        await this.unmount(point);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

/**
 * Mounts a device where nothing else is. Read-only works also while the filesystem is mounted to be written to.
 * @throws BootError MOUNT_FAILED; FILE_FOREIGN where `at` is not a directory of root's
 */
export async function mountDevice(
  host: Host,
  { device, at, fsType, flags }: MountRequest,
): Promise<void> {
  while (isMountPoint(host, at)) await unmountStale(host, at);
  makeOwnDirectory(host, at);
  const type = fsType === undefined ? [] : ["-t", fsType];
  const options = ["-o", flags.join(",")];
  const mountWith = (...given: readonly string[]) =>
    host.run(["mount", ...type, "-o", given.join(","), "--", device.path, at]);
  const mountReadOnlyBeside = async () => {
    await mountWith(...flags.filter((flag) => flag !== "ro"));
    await host.run(["mount", "-o", "remount,bind,ro", "--", at]);
  };
  const isReadOnly = flags.includes("ro");
  try {
    if (isReadOnly && isMountedToWrite(host, device)) {
      await mountReadOnlyBeside();
    } else {
      try {
        await mountWith(...flags);
      } catch (error) {
        // It may be mounted by another name, or where it cannot be seen.
        if (!isReadOnly || !IS_WRITABLE.test(String(error))) throw error;
        await mountReadOnlyBeside();
      }
    }
    requireMounted(host, at);
  } catch (cause) {
    // It may have failed after its work.
    await endMount(host, at);
    throw new BootError(
      "MOUNT_FAILED",
      `cannot mount ${describeDevice(device)} with ${options.join(" ")}`,
      {
        cause,
        hint: hintForMount(cause),
      },
    );
  }
}

/**
 * What mount(8) says where a filesystem is to be mounted read-only that is mounted to be written to. But for
 * btrfs, the kernel has a filesystem be either; a mount of it can be read-only by itself.
 */
const IS_WRITABLE = /already mounted|would change RO state/;

/** To try what the kernel refuses would show its error on the console. */
function isMountedToWrite(host: Host, { path: device }: BlockDevice): boolean {
  return readMounts(host).some(
    ({ source, fsType, options }) =>
      source === device && fsType !== "btrfs" && options.includes("rw"),
  );
}

function hintForMount(cause: unknown): string {
  if (/unknown filesystem type/.test(String(cause))) {
    return "Add the filesystem's kernel module to the initramfs.";
  }
  const hint = hintFor(cause);
  return hint === SEE_KERNEL_LOG
    ? "Correct a wrong flag in rootflags= or toplayerflags=, add a missing kernel module to the initramfs, or repair the filesystem: dmesg | tail tells which."
    : hint;
}

/**
 * Shows directories elsewhere as well, for as long as the work takes: each where it is to be, below
 * `base`, which becomes a tmpfs.
 * @param shown where, relative to `base`, and what
 * @throws BootError MOUNT_FAILED; FILE_FOREIGN where `base` is not a directory of root's; and what the
 *   work throws
 */
export async function withDirectoriesShown(
  host: Host,
  base: string,
  shown: readonly (readonly [at: string, directory: string])[],
  work: () => Promise<void>,
): Promise<void> {
  await endStaleShow(host, base);
  makeOwnDirectory(host, base);
  try {
    await host.run(["mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", base]);
    requireMounted(host, base);
    for (const [name, directory] of shown) {
      const at = path.join(base, name);
      host.files.ensureDirectories(at);
      await host.run(["mount", "--bind", directory, at]);
    }
    requireMounted(host, ...shown.map(([name]) => path.join(base, name)));
  } catch (cause) {
    await endMount(host, base, "--recursive");
    throw new BootError(
      "MOUNT_FAILED",
      `cannot bind-mount directories below ${base}, to copy their attributes`,
      { cause, hint: hintFor(cause) },
    );
  }
  try {
    await work();
  } finally {
    await endMount(host, base, "--recursive");
  }
}

/** Mounts an empty tmpfs, for root alone. @throws BootError MOUNT_FAILED, FILE_FOREIGN */
export async function mountMemory(host: Host, at: string): Promise<void> {
  while (isMountPoint(host, at)) await unmountStale(host, at);
  makeOwnDirectory(host, at);
  try {
    await host.run(["mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", at]);
    requireMounted(host, at);
  } catch (cause) {
    await endMount(host, at);
    throw new BootError("MOUNT_FAILED", `cannot mount a tmpfs at ${at}`, {
      cause,
      hint: hintFor(cause),
    });
  }
}

/**
 * Ends what `withDirectoriesShown` has shown at `base` in an attempt that was killed.
 * @throws BootError MOUNT_FAILED
 */
export async function endStaleShow(host: Host, base: string): Promise<void> {
  while (isMountPoint(host, base)) await unmount(host, base, "--recursive");
}

/** Leaves nothing mounted there, and no directory for it. @throws BootError MOUNT_FAILED */
async function endMount(
  host: Host,
  at: string,
  ...flags: readonly string[]
): Promise<void> {
  if (isMountPoint(host, at)) await unmount(host, at, ...flags);
  else host.files.removeUnusedDirectory(at);
}

function requireMounted(host: Host, ...places: readonly string[]): void {
  const points = new Set(readMounts(host).map(({ mountPoint }) => mountPoint));
  if (places.every((at) => points.has(at))) return;
  throw new Error("mount reported success, but nothing is mounted there");
}

/** Unmounts and removes the mount point. @throws BootError MOUNT_FAILED */
export async function unmount(
  host: Host,
  at: string,
  ...flags: readonly string[]
): Promise<void> {
  try {
    const before = countMounts(host, at);
    await host.run(["umount", ...flags, "--", at]);
    if (countMounts(host, at) === before) {
      throw new Error("umount reported success, but it is still mounted");
    }
  } catch (cause) {
    throw new BootError("MOUNT_FAILED", `cannot unmount ${at}`, {
      cause,
      hint: hintFor(cause),
    });
  }
  host.files.removeUnusedDirectory(at);
}

/**
 * Unmounts what an attempt left that was killed. It is busy for as long as another dockroot has the
 * disk's lock through it: that is waited for.
 * @throws BootError MOUNT_FAILED
 */
async function unmountStale(host: Host, at: string): Promise<void> {
  const started = host.nowMs();
  for (;;) {
    try {
      await unmount(host, at);
      return;
    } catch (error) {
      if (host.nowMs() - started >= MAX_BUSY_MS) throw error;
      await host.sleep(BUSY_POLL_MS);
    }
  }
}
