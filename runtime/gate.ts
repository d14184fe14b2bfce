import type { Host } from "./host/host.ts";
import { rehearse } from "./rehearse.ts";

/**
 * Lets a command begin before its time: what takes long the first time is done once for nothing, then
 * the file is waited for.
 * @param rehearsals touch no device
 * @returns for how long it was waited, in milliseconds
 */
export async function waitAtGate(
  host: Host,
  gate: string,
  rehearsals: readonly (() => unknown)[],
): Promise<number> {
  if (host.files.statusOf(gate) !== undefined) return 0;
  for (const work of rehearsals) await rehearse(work);
  await rehearse(() => host.run(["btrfs", "--version"]));
  host.log.info(`ready, and waiting for ${gate}`);
  const begun = host.nowMs();
  await host.files.waitForFile(gate);
  return Math.round(host.nowMs() - begun);
}
