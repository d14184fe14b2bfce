import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { UNDO_DIRECTORY } from "./plan/journal.ts";

const IS_LOCKED = 75;

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
  const { exitCode } = await host.run(
    [
      ...["flock", "--nonblock", "--conflict-exit-code", String(IS_LOCKED)],
      ...[directory, "true"],
    ],
    { okExitCodes: [0, IS_LOCKED] },
  );
  if (exitCode === 0) return;
  throw new BootError(
    "INSTALL_FAILED",
    "the initramfs generator of an interrupted run is still running",
    {
      hint: `Wait for it to exit, or end it, then try again. Its processes: fuser -v ${UNDO_DIRECTORY}`,
    },
  );
}
