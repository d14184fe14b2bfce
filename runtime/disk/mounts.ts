import path from "node:path";
import { BootError, systemErrorCode } from "../base/errors.ts";
import { unescapeOctal } from "../base/escape.ts";
import { isSameOrBelow } from "../base/is-below.ts";
import type { Host } from "../host/host.ts";
import { readBootId } from "../host/machine.ts";
import type { SubvolumeRecord } from "../records/rwlayer-state.ts";
import type { Disk } from "./disk.ts";

const MAX_MOUNTINFO_BYTES = 16 * 1024 * 1024;

export interface Mount {
  /** `major:minor`; all mounts of one btrfs have the same. */
  readonly device: string;
  /** What of the filesystem is mounted: a path from its top level. */
  readonly root: string;
  readonly mountPoint: string;
  readonly fsType: string;
  /** The device's path, as it was given to mount(2). */
  readonly source: string;
  /** The filesystem's own options, as it shows them. */
  readonly options: readonly string[];
}

/** What a process (default: this one) has mounted, in the order in which it was. */
export function readMounts(host: Host, processId = "self"): Mount[] {
  const file = `/proc/${processId}/mountinfo`;
  return parseMountinfo(host.readText(file, MAX_MOUNTINFO_BYTES) ?? "");
}

/**
 * Parses /proc/self/mountinfo.
 * @see https://www.kernel.org/doc/html/latest/filesystems/proc.html (section 3.5)
 */
export function parseMountinfo(text: string): Mount[] {
  return text.split("\n").flatMap((line) => {
    const [own = "", ofFilesystem = ""] = line.split(" - ");
    const [, , device, root, mountPoint] = own.split(" ");
    const [fsType = "", source = "", options = ""] = ofFilesystem.split(" ");
    if (device === undefined || root === undefined || mountPoint === undefined)
      return [];
    return [
      {
        device,
        root: unescapeOctal(root),
        mountPoint: unescapeOctal(mountPoint),
        fsType: unescapeOctal(fsType),
        source: unescapeOctal(source),
        options: options.split(",").map(unescapeOctal),
      },
    ];
  });
}

/** Whether something is mounted right there. */
export function isMountPoint(host: Host, at: string): boolean {
  return countMounts(host, at) > 0;
}

/** One may lie over another. */
export function countMounts(host: Host, at: string): number {
  return readMounts(host).filter(({ mountPoint }) => mountPoint === at).length;
}

/** What is mounted right there. */
export function findMountAt(host: Host, at: string): Mount | undefined {
  return readMounts(host).findLast(({ mountPoint }) => mountPoint === at);
}

/**
 * What this system has mounted over a directory of a filesystem, and sees in its place.
 * @param topLevel where the filesystem is mounted
 * @param file relative to it
 */
export function findMountOver(
  host: Host,
  topLevel: string,
  file: string,
): Mount | undefined {
  const mounts = readMounts(host);
  const top = mounts.findLast(({ mountPoint }) => mountPoint === topLevel);
  const place = path.join(top?.root ?? "/", file);
  const isOwn = ({ device }: Mount) => device === top?.device;
  const seenAt = mounts
    .filter((mount) => isOwn(mount) && isSameOrBelow(place, mount.root))
    .map(({ root, mountPoint }) =>
      path.join(mountPoint, path.relative(root, place)),
    );
  return mounts.findLast(
    (mount) =>
      seenAt.includes(mount.mountPoint) &&
      !(isOwn(mount) && mount.root === place),
  );
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
  const topMount = own.find(({ mountPoint }) => mountPoint === topLevel);
  const select = (mounts: readonly Mount[], where: string) => {
    const ofDisk = mounts.filter(({ device }) => device === topMount?.device);
    return [
      ...ofDisk,
      ...mounts.flatMap((mount) => findUppers(mount, ofDisk)),
    ].map(({ root, mountPoint }) => ({ root, at: `${mountPoint}${where}` }));
  };
  const found = select(own, "");
  // Each mount namespace once, or once for each root directory in it, which hides what is outside.
  const seen = new Set([viewOf(host, "self")]);
  for (const processId of processIdsOf(host)) {
    const view = viewOf(host, processId);
    if (view !== undefined && seen.has(view)) continue;
    seen.add(view);
    const mounts = readIfSeen(() => readMounts(host, processId)) ?? [];
    const where = ` in the mount namespace of process ${processId}`;
    found.push(...select(mounts, where));
  }
  return found;
}

/**
 * Of an overlay, what of a filesystem takes its writes: it shows the directory as that was called when it was mounted.
 * @param ofDisk what of the filesystem the same process has mounted
 */
function findUppers(
  overlay: Mount,
  ofDisk: readonly Mount[],
): Pick<Mount, "mountPoint" | "root">[] {
  const upper = upperOf(overlay);
  if (upper === undefined) return [];
  return ofDisk
    .filter(({ mountPoint }) => isSameOrBelow(upper, mountPoint))
    .map(({ root, mountPoint }) => ({
      mountPoint: overlay.mountPoint,
      root: path.join(root, path.relative(mountPoint, upper)),
    }));
}

/** Where an overlay's writes go: the directory as it was called when it was mounted. */
export function upperOf({ fsType, options }: Mount): string | undefined {
  if (fsType !== "overlay") return undefined;
  return options
    .find((option) => option.startsWith("upperdir="))
    ?.slice("upperdir=".length);
}

/**
 * Where a subvolume, or something in it, is mounted, besides being seen below the top level.
 * @param file relative to the top level
 */
export function findMountOf(
  mounts: readonly SubvolumeMount[],
  file: string,
): string | undefined {
  return mounts.find(({ root }) => isSameOrBelow(root, `/${file}`))?.at;
}

/** Two processes with the same one see the same mounts. @see namespaces(7) */
function viewOf(host: Host, processId: string): string | undefined {
  const target = (name: string) =>
    host.files.linkTarget(host.path(`/proc/${processId}/${name}`));
  return readIfSeen(() => `${target("ns/mnt")} ${target("root")}`);
}

/** @see PROC_PID_INIT_INO in the kernel's include/linux/proc_ns.h */
const INITIAL_PID_NAMESPACE = "pid:[4026531836]";

/**
 * Whether all that is mounted on the machine can be seen: in a container, or without the right to look
 * at other processes, it cannot, nor in a mount namespace that a bind mount alone keeps.
 */
function seesAllMounts(host: Host): boolean {
  const target = (file: string) => host.files.linkTarget(host.path(file));
  if (target("/proc/self/ns/pid") !== INITIAL_PID_NAMESPACE) return false;
  const processIds = processIdsOf(host);
  if (processIds.some((id) => hidesMounts(host, id))) return false;
  const kept = readMounts(host)
    .filter(({ fsType, root }) => fsType === "nsfs" && root.startsWith("mnt:["))
    .map(({ root }) => root);
  if (kept.length === 0) return true;
  const entered = new Set(
    processIds.map((id) => readIfSeen(() => target(`/proc/${id}/ns/mnt`))),
  );
  return kept.every((namespace) => entered.has(namespace));
}

/** All processes that can be seen. */
function processIdsOf(host: Host): string[] {
  return host.files
    .namesIn(host.path("/proc"))
    .filter((name) => /^\d+$/.test(name));
}

/** The process has ended, or is about to: it has none to hide. */
const GONE = ["ENOENT", "ESRCH", "EINVAL"];

const HIDDEN = ["EACCES", "EPERM"];

/** The kernel decides when the file is opened. */
function hidesMounts(host: Host, processId: string): boolean {
  const file = host.path(`/proc/${processId}/mountinfo`);
  try {
    host.files.withFile(file, MAX_MOUNTINFO_BYTES, () => undefined);
    return false;
  } catch (error) {
    if (HIDDEN.includes(codeOf(error))) return true;
    if (GONE.includes(codeOf(error))) return false;
    throw error;
  }
}

/**
 * @returns `undefined` where the process has ended, has no mounts any more, or keeps them to itself: that
 *   the running kernel has mounted a root is known by its record, too
 */
function readIfSeen<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if ([...GONE, ...HIDDEN].includes(codeOf(error))) return undefined;
    throw error;
  }
}

function codeOf(error: unknown): string {
  const cause = error instanceof BootError ? error.cause : error;
  return systemErrorCode(cause) ?? "";
}

/**
 * Who uses a subvolume of ours: where it is mounted, or what else the running kernel still has of it.
 * @param mounts of the disk
 * @param file relative to its top level
 * @returns in words, to follow "it is"; `undefined` where nobody is known to use it
 */
export function findUse(
  disk: Disk,
  mounts: readonly SubvolumeMount[],
  file: string,
  record: SubvolumeRecord | undefined,
): string | undefined {
  const at = findMountOf(mounts, file);
  return at ? `mounted at ${at}` : findUseAsRoot(disk, file, record);
}

/**
 * Who uses what this kernel has mounted as root, and is not mounted where it can be seen: it may be where
 * it cannot be seen, or a process may still be in it.
 * @returns as `findUse`
 */
export function findUseAsRoot(
  disk: Disk,
  file: string,
  record: SubvolumeRecord | undefined,
): string | undefined {
  const { host } = disk;
  if (record?.bootId === undefined || record.bootId !== readBootId(host)) {
    return undefined;
  }
  // What it writes to is known by the name that it had when it was mounted alone.
  if (disk.isOverlay || !seesAllMounts(host)) {
    return "a root of the running system";
  }
  const device = host.files.deviceOf(disk.at(file));
  if (device === undefined) return undefined;
  const processId = processIdsOf(host).find((id) =>
    ["root", "cwd", "exe"].some(
      (name) =>
        host.files.deviceOf(host.path(`/proc/${id}/${name}`)) === device,
    ),
  );
  return processId === undefined ? undefined : `in use by process ${processId}`;
}
