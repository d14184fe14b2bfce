import path from "node:path";
import { describeDevice, type BlockDevice } from "./device.ts";
import { BootError, systemErrorCode, SEE_KERNEL_LOG } from "../base/errors.ts";
import { unescapeOctal } from "../base/escape.ts";
import type { Host } from "../host/host.ts";
import { makeOwnDirectory } from "./run-directory.ts";

export interface MountRequest {
  readonly device: BlockDevice;
  /** Where to mount it; made when absent. */
  readonly at: string;
  readonly fsType: string | undefined;
  readonly flags: readonly string[];
}

/** A former boot's `finish`, which removes roots, takes no longer. */
const MAX_BUSY_MS = 60_000;
const BUSY_POLL_MS = 100;
const MAX_MOUNTINFO_BYTES = 16 * 1024 * 1024;

/** What was mounted, to be released in reverse. */
export interface MountStack {
  /** @throws BootError MOUNT_FAILED; FILE_FOREIGN where `at` is not a directory of root's */
  mount(request: MountRequest): Promise<void>;
  /**
   * Unmounts all of it, or all but `keep`.
   * @throws BootError MOUNT_FAILED
   */
  release(keep?: string): Promise<void>;
}

export function createMountStack(host: Host): MountStack {
  const points: string[] = [];
  return {
    mount: async (request) => {
      await mountDevice(host, request);
      points.push(request.at);
    },
    release: async (keep) => {
      for (const point of points.toReversed()) {
        if (point === keep) continue;
        await unmount(host, point);
        points.splice(points.indexOf(point), 1);
      }
    },
  };
}

async function mountDevice(
  host: Host,
  { device, at, fsType, flags }: MountRequest,
): Promise<void> {
  while (isMountPoint(host, at)) await unmountStale(host, at);
  makeOwnDirectory(host, at);
  try {
    await host.run([
      "mount",
      ...(fsType === undefined ? [] : ["-t", fsType]),
      "-o",
      flags.join(","),
      "--",
      device.path,
      at,
    ]);
    if (!isMountPoint(host, at)) throw notMounted();
  } catch (cause) {
    // It may have failed after its work.
    if (isMountPoint(host, at)) await unmount(host, at);
    else host.files.removeUnusedDirectory(at);
    throw new BootError(
      "MOUNT_FAILED",
      `cannot mount ${describeDevice(device)} with -o ${flags.join(",")}`,
      {
        cause,
        hint: `${SEE_KERNEL_LOG} A missing module (btrfs, vfat, ...) must be added to the initramfs; a wrong flag is corrected in the boot menu entry.`,
      },
    );
  }
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
    if (!isMountPoint(host, base)) throw notMounted();
    for (const [at, directory] of shown) {
      host.files.ensureDirectories(path.join(base, at));
      await host.run(["mount", "--bind", directory, path.join(base, at)]);
    }
    const points = new Set(readMounts(host).map((mount) => mount.mountPoint));
    if (!shown.every(([at]) => points.has(path.join(base, at)))) {
      throw notMounted();
    }
  } catch (cause) {
    await endShow(host, base);
    throw new BootError(
      "MOUNT_FAILED",
      `cannot show directories at ${base}, for their attributes to be copied`,
      { cause, hint: SEE_KERNEL_LOG },
    );
  }
  try {
    await work();
  } finally {
    await endShow(host, base);
  }
}

/**
 * Ends what `withDirectoriesShown` has shown at `base` in an attempt that was killed.
 * @throws BootError MOUNT_FAILED
 */
export async function endStaleShow(host: Host, base: string): Promise<void> {
  while (isMountPoint(host, base)) await unmount(host, base, ["--recursive"]);
}

async function endShow(host: Host, base: string): Promise<void> {
  if (isMountPoint(host, base)) await unmount(host, base, ["--recursive"]);
  else host.files.removeUnusedDirectory(base);
}

function notMounted(): Error {
  return new Error("mount reported success, but nothing is mounted there");
}

/** Unmounts and removes the mount point. @throws BootError MOUNT_FAILED */
export async function unmount(
  host: Host,
  at: string,
  flags: readonly string[] = [],
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
      hint: "Something still uses it.",
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

/** Whether something is mounted right there. */
export function isMountPoint(host: Host, at: string): boolean {
  return countMounts(host, at) > 0;
}

/** One may lie over another. */
function countMounts(host: Host, at: string): number {
  return readMounts(host).filter(({ mountPoint }) => mountPoint === at).length;
}

/** A mount of a filesystem's subvolume, or of something in it. */
export interface SubvolumeMount {
  /** A path from the filesystem's top level. */
  readonly root: string;
  /** Where it is, in words, to follow "mounted at". */
  readonly at: string;
}

/**
 * What of a filesystem is mounted, in any mount namespace of a process that can be seen.
 * @param topLevel where its top level is mounted
 */
export function readMountsOf(host: Host, topLevel: string): SubvolumeMount[] {
  const own = readMounts(host);
  const { device } =
    own.find(({ mountPoint }) => mountPoint === topLevel) ?? {};
  const select = (mounts: readonly Mount[], where: string) =>
    mounts
      .filter((mount) => mount.device === device)
      .map(({ root, mountPoint }) => ({ root, at: `${mountPoint}${where}` }));
  const others = Array.from(readMountsOfOthers(host), ({ processId, mounts }) =>
    select(mounts, ` in the mount namespace of process ${processId}`),
  );
  return [...select(own, ""), ...others.flat()];
}

/**
 * Where a subvolume, or something in it, is mounted, besides being seen below the top level.
 * @param file relative to the top level
 */
export function findMountOf(
  mounts: readonly SubvolumeMount[],
  file: string,
): string | undefined {
  return mounts.find(
    ({ root }) => root === `/${file}` || root.startsWith(`/${file}/`),
  )?.at;
}

/**
 * What the processes that can be seen have mounted, but for those that have what this one has. Each
 * mount namespace once, or once for each root directory in it, which hides what is outside.
 */
function* readMountsOfOthers(
  host: Host,
): Generator<{ readonly processId: string; readonly mounts: Mount[] }> {
  const seen = new Set([viewOf(host, "self")]);
  for (const processId of processIdsOf(host)) {
    const view = viewOf(host, processId);
    if (view !== undefined && seen.has(view)) continue;
    if (view !== undefined) seen.add(view);
    const text = readIfSeen(() =>
      host.readText(`/proc/${processId}/mountinfo`, MAX_MOUNTINFO_BYTES),
    );
    yield { processId, mounts: parseMountinfo(text ?? "") };
  }
}

/**
 * Whether all that is mounted on the machine can be seen: in a container, or without the right to look
 * at other processes, it cannot, nor in a mount namespace that a bind mount alone keeps.
 * @see PROC_PID_INIT_INO in the kernel's include/linux/proc_ns.h
 */
export function seesAllMounts(host: Host): boolean {
  const namespace = host.files.linkTarget(host.path("/proc/self/ns/pid"));
  if (namespace !== INITIAL_PID_NAMESPACE) return false;
  const processIds = processIdsOf(host);
  if (processIds.some((processId) => hidesMounts(host, processId))) {
    return false;
  }
  const kept = readMounts(host)
    .filter(({ fsType }) => fsType === "nsfs")
    .map(({ root }) => root)
    .filter((root) => root.startsWith("mnt:["));
  if (kept.length === 0) return true;
  const entered = new Set(
    processIds.map((processId) =>
      readIfSeen(() =>
        host.files.linkTarget(host.path(`/proc/${processId}/ns/mnt`)),
      ),
    ),
  );
  return kept.every((namespace) => entered.has(namespace));
}

/** All processes that can be seen. */
export function processIdsOf(host: Host): string[] {
  return host.files
    .namesIn(host.path("/proc"))
    .filter((name) => /^\d+$/.test(name));
}

/** One that has ended, or is about to, has none to hide. */
function hidesMounts(host: Host, processId: string): boolean {
  try {
    host.readText(`/proc/${processId}/mountinfo`, MAX_MOUNTINFO_BYTES);
    return false;
  } catch (error) {
    const code = systemErrorCode(
      error instanceof BootError ? error.cause : error,
    );
    if (code === "EACCES" || code === "EPERM") return true;
    if (code === "ESRCH" || code === "EINVAL") return false;
    throw error;
  }
}

/** Two processes with the same one see the same mounts. @see namespaces(7) */
function viewOf(host: Host, processId: string): string | undefined {
  return readIfSeen(() =>
    ["ns/mnt", "root"]
      .map((name) =>
        host.files.linkTarget(host.path(`/proc/${processId}/${name}`)),
      )
      .join(" "),
  );
}

/**
 * @returns `undefined` where the process has ended, has no mounts any more, or keeps them to itself: that
 *   the running kernel has mounted a root is known by its record, too (in-use.ts)
 */
function readIfSeen<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const cause = error instanceof BootError ? error.cause : error;
    if (UNSEEN.includes(systemErrorCode(cause) ?? "")) return undefined;
    throw error;
  }
}

const INITIAL_PID_NAMESPACE = "pid:[4026531836]";
const UNSEEN = ["ENOENT", "ESRCH", "EINVAL", "EACCES", "EPERM"];

/** The type of the filesystem that is mounted right there. */
export function fsTypeAt(host: Host, at: string): string | undefined {
  return readMounts(host).findLast(({ mountPoint }) => mountPoint === at)
    ?.fsType;
}

/** What is mounted, in the order in which it was. */
export function readMounts(host: Host): Mount[] {
  const text = host.readText("/proc/self/mountinfo", MAX_MOUNTINFO_BYTES) ?? "";
  return parseMountinfo(text);
}

export interface Mount {
  /** `major:minor`; all mounts of one btrfs have the same. */
  readonly device: string;
  /** What of the filesystem is mounted: a path from its top level. */
  readonly root: string;
  readonly mountPoint: string;
  readonly fsType: string;
  /** The device's path, as it was given to mount(2). */
  readonly source: string;
}

/**
 * Parses /proc/self/mountinfo.
 * @see https://www.kernel.org/doc/html/latest/filesystems/proc.html (section 3.5)
 */
export function parseMountinfo(text: string): Mount[] {
  return text.split("\n").flatMap((line) => {
    const [own = "", ofFilesystem = ""] = line.split(" - ");
    const [, , device, root, mountPoint] = own.split(" ");
    const [fsType = "", source = ""] = ofFilesystem.split(" ");
    if (device === undefined || root === undefined || mountPoint === undefined)
      return [];
    return [
      {
        device,
        root: unescapeOctal(root),
        mountPoint: unescapeOctal(mountPoint),
        fsType: unescapeOctal(fsType),
        source: unescapeOctal(source),
      },
    ];
  });
}
