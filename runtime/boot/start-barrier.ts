import path from "node:path";
import { BootError } from "../base/errors.ts";
import type { Host } from "../host/host.ts";

/**
 * Lets a command begin before its time: what takes long the first time is done once for nothing, then
 * the file is waited for.
 * @param warmUps touch no device
 * @returns for how long it was waited, in milliseconds; `null` where no file is named
 * @throws BootError STEP_FAILED where the file cannot come any more
 */
export async function waitAtStartBarrier(
  host: Host,
  startBarrier: string | undefined,
  warmUps: readonly (() => unknown)[],
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
  if (!(await host.files.waitForFile(startBarrier))) {
    throw new BootError(
      "STEP_FAILED",
      `cannot wait for ${startBarrier}: ${path.dirname(startBarrier)} has gone`,
      { hint: "Nothing was touched. Without --when it begins at once." },
    );
  }
  return Math.round(host.nowMs() - begun);
}
