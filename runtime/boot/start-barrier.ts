import path from "node:path";
import { BootError } from "../base/errors.ts";
import type { Host } from "../host/host.ts";

/**
 * Lets a command begin before its time: what takes long the first time is done once for nothing, then
 * the file is waited for.
 * @param warmUps touch no device
 * @param what is waited for, in words; nothing is said where that is empty
 * @returns for how long it was waited, in milliseconds; `null` where no file is named
 * @throws BootError STEP_FAILED where the file cannot come any more
 */
export async function waitAtStartBarrier(
  host: Host,
  startBarrier: string | undefined,
  warmUps: readonly (() => unknown)[],
  what: () => string = () => "",
): Promise<number | null> {
  if (startBarrier === undefined) return null;
  if (host.files.statusOf(startBarrier) !== undefined) return 0;
  for (const work of [...warmUps, () => host.run(["btrfs", "--version"])]) {
    // What fails now fails again in its turn, where that can be said.
    await Promise.resolve()
      .then(work)
      .catch(() => undefined);
  }
  host.log.info(`ready, and waiting for ${startBarrier}`);
  const begun = host.nowMs();
  const timers = SAY_AFTER_MS.map(([level, afterMs]) =>
    setTimeout(() => {
      if (what() === "") return;
      const seconds = String(afterMs / 1000);
      host.log[level](`still waiting for ${what()} after ${seconds} s`);
    }, afterMs),
  );
  try {
    if (await host.files.waitForFile(startBarrier)) {
      return Math.round(host.nowMs() - begun);
    }
  } finally {
    timers.forEach(clearTimeout);
  }
  throw new BootError(
    "STEP_FAILED",
    `cannot wait for ${startBarrier}: ${path.dirname(startBarrier)} was removed`,
    { hint: "Nothing was touched. Without --when, dockroot begins at once." },
  );
}

/**
 * systemd says on the console that it waits for this job, and not why: after 2 s, on a quiet console, which
 * shows errors alone, after 25 s (JOBS_IN_PROGRESS_WAIT_USEC in its manager.c).
 */
const SAY_AFTER_MS = [
  ["warn", 2_000],
  ["error", 25_000],
] as const;
