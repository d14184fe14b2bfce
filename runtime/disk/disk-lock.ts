import { BootError } from "../base/errors.ts";
import type { Host } from "../host/host.ts";
import type { Lock } from "../host/lock.ts";

/**
 * The right to write to a disk, or to rename what is on it: whoever makes, moves or deletes roots has
 * it, one process at a time. It ends with the process that has it.
 */
export interface DiskLock {
  /**
   * Waits for it; nothing where this process has it already.
   * @throws BootError DISK_BUSY after `timeoutMs`, HelperError
   */
  take(timeoutMs: number): Promise<void>;
  isHeld(): boolean;
  release(): Promise<void>;
}

/** @param topLevel where the disk's top level is mounted: busy for as long as the lock is held */
export function createDiskLock(host: Host, topLevel: string): DiskLock {
  return createLock(host, topLevel, "at work on this disk");
}

/**
 * The right to mount and unmount in a run directory, and to write its record. Taken before the disk's, which is
 * taken through what is mounted there.
 */
export function createRunDirectoryLock(
  host: Host,
  runDirectory: string,
): DiskLock {
  return createLock(host, runDirectory, `at work in ${runDirectory}`);
}

function createLock(host: Host, directory: string, work: string): DiskLock {
  let held: Lock | undefined;
  return {
    take: async (timeoutMs) => {
      held ??= await host.lockDirectory(directory, timeoutMs);
      if (held !== undefined) return;
      throw new BootError(
        "DISK_BUSY",
        `another dockroot has been ${work} for ${String(timeoutMs / 1000)} s`,
        {
          hint: "Wait for it, or end it (ps -ef | grep dockroot), and try again.",
        },
      );
    },
    isHeld: () => held?.isHeld() === true,
    release: async () => {
      const lock = held;
      held = undefined;
      await lock?.release();
    },
  };
}
