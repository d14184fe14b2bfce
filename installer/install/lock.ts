import { BootError, HelperError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { UNDO_DIRECTORY } from "./plan/records.ts";

/** It is there, and nobody else locks it: no file of ours is left behind. */
const LOCKED = "/var/lib";

/**
 * Does the work where no other process of this kind does: one would take the other's for what a power
 * failure left. The lock ends with this process, whatever ends that.
 * @throws BootError INSTALL_FAILED where another is at work, HELPER_MISSING
 */
export async function withLock<T>(
  host: Host,
  work: () => Promise<T>,
): Promise<T> {
  if (host.files.statusOfTarget(host.path(LOCKED))?.kind !== "directory") {
    throw new BootError("INSTALL_FAILED", `there is no directory ${LOCKED}`, {
      hint: "Is this a whole system?",
    });
  }
  const lock = await host
    .lockDirectory(host.path(LOCKED), 0)
    .catch((cause: unknown) => {
      if (!(cause instanceof HelperError)) throw cause;
      const isMissing = cause.kind === "missing";
      throw new BootError(
        isMissing ? "HELPER_MISSING" : "INSTALL_FAILED",
        isMissing ? "cannot start flock" : `cannot lock ${LOCKED}`,
        { cause, hint: "Install flock, of the package util-linux." },
      );
    });
  if (lock === undefined) {
    throw new BootError(
      "INSTALL_FAILED",
      "another dockroot install or uninstall is running",
      { hint: "Wait until it exits." },
    );
  }
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

/**
 * The call by which a generator, and all that it starts, holds a lock of its own: a dockroot that is
 * killed cannot end them. What is locked is there from before a transaction's first change until its
 * end, and anew for the next one, so that a service which a generator has started and left behind
 * keeps nobody off after a run that came to its end.
 */
export function lockedFor(argv: readonly string[]): string[] {
  return ["flock", "--shared", UNDO_DIRECTORY, ...argv];
}

/**
 * Refuses while a generator is at work that an interrupted run has left: it would write after that
 * run's work was taken back.
 * @throws BootError INSTALL_FAILED, HelperError
 */
export async function requireNoGenerator(host: Host): Promise<void> {
  const directory = host.path(UNDO_DIRECTORY);
  if (host.files.statusOf(directory) === undefined) return;
  const lock = await host.lockDirectory(directory, 0);
  if (lock !== undefined) {
    await lock.release();
    return;
  }
  throw new BootError(
    "INSTALL_FAILED",
    "the initramfs generator of an interrupted run is still running",
    {
      hint: `Wait for it to exit, or end it, then try again. Its processes: fuser -v ${UNDO_DIRECTORY}`,
    },
  );
}
