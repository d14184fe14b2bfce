import path from "node:path";
import {
  asFailureOf,
  describeFailure,
  summarizeFailure,
  type BootFailure,
} from "../base/failure.ts";
import { waitAtStartBarrier } from "./start-barrier.ts";
import { Disk, DiskLock } from "../disk/disk.ts";
import { BootError } from "../base/errors.ts";
import { limitHelpers, type Host } from "../host/host.ts";
import { isInitramfs } from "../host/machine.ts";
import { describeOtherRoot } from "../plan/mounted-root.ts";
import { unmount } from "../disk/mount-stack.ts";
import { DEFAULT_RUN_DIRECTORY } from "../disk/run-directory.ts";
import { isMountPoint, readMounts } from "../disk/mounts.ts";
import {
  parseFinishedBoot,
  type FinishedBoot,
  BOOT_RECORD,
  MEMORY,
  OVERLAY_ROOT,
  OVERLAY_DISK,
  TOP_LEVEL_MOUNT,
} from "../records/boot-record.ts";
import { OverlayDisk } from "../disk/overlay/overlay-disk.ts";
import {
  collectOverlayGarbage,
  type RunningRoot,
} from "../disk/overlay/collect-overlay-garbage.ts";
import { collectGarbage } from "../disk/garbage/collect-garbage.ts";

const MAX_RECORD_BYTES = 1024 * 1024;

/** The machine waits for this, and nothing depends on it. */
const MAX_HELPER_TIMEOUT_MS = 30_000;

/** The machine waits for this as well; the next boot collects what is left. */
const MAX_LOCK_WAIT_MS = 20_000;

interface FinishRequest {
  /** Where boot left its record and mount; absolute. */
  readonly runDirectory: string;
  /** A file that is to be there before anything is touched. */
  readonly startBarrier?: string | undefined;
}

/** In the run directory, where the boot is to stop because of another root: a hook looks for it. */
const OTHER_ROOT = "other-root";

/** The initramfs has mounted another root than boot made. */
export interface OtherRoot {
  readonly failure: BootFailure;
  /** Whether the system must not start with it. */
  readonly isStopped: boolean;
}

/**
 * After root is mounted: removes generations past the limit and what a failed boot left, and releases
 * the top level. What cannot be removed stays and is warned of: the machine is up.
 * @returns another root that is mounted; where the boot stops, the top level stays for the next try
 * @throws BootError NOTHING_BOOTED, FILE_UNREADABLE or FILE_FOREIGN where `<runDirectory>/boot.json`
 *   does not tell of a boot, or is not root's; the top level is released all the same
 */
export async function finish(
  unlimited: Host,
  { runDirectory, startBarrier }: FinishRequest,
): Promise<OtherRoot | undefined> {
  await waitAtStartBarrier(unlimited, startBarrier, [
    () => readBootRecord(unlimited, runDirectory),
  ]);
  const runLock = new DiskLock(unlimited, runDirectory, `in ${runDirectory}`);
  try {
    await takeLock(unlimited, runLock, "lock the run directory");
    return await finishAlone(unlimited, runDirectory);
  } finally {
    await runLock.release();
  }
}

async function finishAlone(
  unlimited: Host,
  runDirectory: string,
): Promise<OtherRoot | undefined> {
  let host = limitHelpers(unlimited, MAX_HELPER_TIMEOUT_MS);
  const kept = host.path(OVERLAY_DISK);
  const isKept =
    runDirectory === DEFAULT_RUN_DIRECTORY &&
    isInitramfs(host) &&
    isMountPoint(host, kept);
  const topLevel = isKept ? kept : path.join(runDirectory, TOP_LEVEL_MOUNT);
  if (!isMountPoint(host, topLevel)) {
    readBootRecord(host, runDirectory);
    return undefined;
  }
  const lock = new DiskLock(host, topLevel, "on this disk");
  let other: OtherRoot | undefined;
  try {
    const mounted = readBootRecord(host, runDirectory);
    host = limitHelpers(
      unlimited,
      Math.min(MAX_HELPER_TIMEOUT_MS, mounted.limits.helperTimeoutMs),
    );
    other = findOtherRoot(host, runDirectory, topLevel, mounted);
    markStop(host, runDirectory, other);
    // Whoever gets a shell then can still mount it.
    if (other?.isStopped === true) return other;
    // Init has it elsewhere since, or nobody has.
    await releaseRoot(host, runDirectory);
    if (await takeLock(host, lock, "clean up earlier roots")) {
      // A boot that this has waited for has written it anew.
      const record = readBootRecord(host, runDirectory);
      const isReached = other === undefined;
      if (record.isOverlay) {
        const disk = new OverlayDisk(host, topLevel, record.rwlayer);
        const running = readRunning(host, runDirectory);
        collectOverlayGarbage(disk, record, running, isReached);
      } else {
        const disk = new Disk(host, topLevel, record.rwlayer);
        await collectGarbage(disk, record, isReached);
      }
    }
    return other;
  } finally {
    await lock.release();
    if (other?.isStopped !== true) {
      await releaseRoot(host, runDirectory);
      if (!isKept) await releaseDisk(host, runDirectory, topLevel);
    }
  }
}

/**
 * Of the running system's boot, where this is a rehearsal's.
 * @returns `undefined` where that is not known
 */
function readRunning(
  host: Host,
  runDirectory: string,
): RunningRoot | undefined {
  const none = { layers: [] };
  const own = host.path(DEFAULT_RUN_DIRECTORY);
  if (runDirectory === own || isInitramfs(host)) return none;
  const text = host.files.readText(
    path.join(own, BOOT_RECORD),
    MAX_RECORD_BYTES,
  );
  try {
    return text === undefined ? none : (parseFinishedBoot(text) ?? none);
  } catch (error) {
    if (error instanceof BootError) return undefined;
    throw error;
  }
}

/** But for the disk of an overlay that boots: nobody could make it read-only when the system ends. */
async function releaseDisk(
  host: Host,
  runDirectory: string,
  topLevel: string,
): Promise<void> {
  for (const at of [path.join(runDirectory, MEMORY), topLevel]) {
    if (isMountPoint(host, at)) await unmount(host, at);
  }
}

/** Where the initramfs found it; it has it elsewhere since. */
async function releaseRoot(host: Host, runDirectory: string): Promise<void> {
  const root = path.join(runDirectory, OVERLAY_ROOT);
  if (isMountPoint(host, root)) await unmount(host, root);
}

/** @param work what is not done without it, or not alone */
async function takeLock(
  host: Host,
  lock: DiskLock,
  work: string,
): Promise<boolean> {
  try {
    await lock.take(MAX_LOCK_WAIT_MS);
    return true;
  } catch (error) {
    const failure = asFailureOf(work, error);
    host.log.warn(summarizeFailure(failure), describeFailure(failure));
    return false;
  }
}

/** Where this is not an initramfs, as in a rehearsal, nobody mounts the root. */
function findOtherRoot(
  host: Host,
  runDirectory: string,
  topLevel: string,
  { root, isOverlay, limits }: FinishedBoot,
): OtherRoot | undefined {
  if (!isInitramfs(host)) return undefined;
  const offered = path.join(runDirectory, OVERLAY_ROOT);
  const mounts = readMounts(host).filter(
    ({ mountPoint }) => mountPoint !== offered,
  );
  const uppers = [path.join(topLevel, root), path.join(runDirectory, MEMORY)];
  const other = describeOtherRoot(
    mounts,
    topLevel,
    root,
    isOverlay ? uppers.map((upper) => path.join(upper, "upper")) : undefined,
  );
  if (other === undefined) return undefined;
  const failure = describeFailure(
    new BootError(
      "ROOT_OTHER",
      `the initramfs has mounted another root: ${other}`,
      {
        hint: "Look at root= and rootflags= on the kernel command line (cat /proc/cmdline): an initramfs may take quotes literally, or know a root of its own.",
      },
    ),
  );
  host.log.error(failure.message, failure);
  return { failure, isStopped: limits.fallback === "none" };
}

function markStop(
  host: Host,
  runDirectory: string,
  other: OtherRoot | undefined,
): void {
  const mark = path.join(runDirectory, OTHER_ROOT);
  if (other?.isStopped === true) host.files.replaceFile(mark, "", 0o644);
  else if (host.files.statusOf(mark) !== undefined) host.files.removeFile(mark);
}

/** @throws BootError */
function readBootRecord(host: Host, runDirectory: string): FinishedBoot {
  const file = path.join(runDirectory, BOOT_RECORD);
  const text = host.files.readOwnText(file, MAX_RECORD_BYTES);
  if (text === undefined) {
    throw new BootError("NOTHING_BOOTED", `there is no ${file}`, {
      hint: "dockroot finish runs after dockroot boot, in the initramfs.",
    });
  }
  let boot: FinishedBoot | undefined;
  try {
    boot = parseFinishedBoot(text);
  } catch (cause) {
    throw new BootError("FILE_UNREADABLE", `${file} is damaged`, {
      cause,
      hint: "Old generations stay until the next boot.",
    });
  }
  if (boot !== undefined) return boot;
  throw new BootError(
    "NOTHING_BOOTED",
    `${file} has no record of a finished boot`,
    {
      hint: 'The reason is in that file, at "failure".',
    },
  );
}
