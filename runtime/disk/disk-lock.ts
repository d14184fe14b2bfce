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

/**
 * The lock of a directory: of a disk's top level, which is busy for as long as it is held; or of a run
 * directory, for the right to mount and unmount in it and to write its record. A run directory's is taken
 * before the disk's, which is taken through what is mounted there.
 * @param where in words, to follow "another dockroot has been at work"
 */
export function createLock(
  host: Host,
  directory: string,
  where: string,
): DiskLock {
  let held: Lock | undefined;
  return {
    take: async (timeoutMs) => {
      held ??= await host.lockDirectory(directory, timeoutMs);
      if (held !== undefined) return;
      throw new BootError(
        "DISK_BUSY",
        `another dockroot has been at work ${where} for ${String(timeoutMs / 1000)} s`,
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
