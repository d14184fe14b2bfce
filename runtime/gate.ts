import { gatherOptions, type OptionFiles } from "./gather-options.ts";
import type { Host } from "./host/host.ts";
import { rehearse } from "./rehearse.ts";
import { createSha256 } from "./sha256.ts";

/**
 * Lets a boot begin before it may touch a device: what takes long the first time is done once for
 * nothing, then the file is waited for.
 * @returns for how long
 */
export async function waitAtGate(
  host: Host,
  gate: string,
  files: OptionFiles,
): Promise<number> {
  if (host.files.statusOf(gate) !== undefined) return 0;
  await rehearse(() => gatherOptions(host, files));
  await rehearse(createSha256);
  // A helper that looks at no device.
  await rehearse(() => host.run(["btrfs", "--version"]));
  host.log.info(`ready, and waiting for ${gate}`);
  const begun = host.nowMs();
  await host.files.waitForFile(gate);
  return Math.round(host.nowMs() - begun);
}
