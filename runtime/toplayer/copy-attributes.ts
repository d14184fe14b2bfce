import path from "node:path";
import type { Host } from "../host/host.ts";
import { withDirectoriesShown } from "../disk/mounts.ts";

/** Absolute paths. */
export interface AttributePair {
  readonly from: string;
  readonly to: string;
}

/** The more mounts there are, the longer each mount and unmount takes. */
const PAIRS_PER_SHOW = 50;

/**
 * Copies owners, modes, times, ACLs and other xattrs of directories alone. cp does that for a
 * directory that lies on another filesystem than the one above it, told to stay on one filesystem:
 * so each is shown to it in a tmpfs.
 * @param scratch where to mount that; made when absent
 * @throws HelperError, BootError MOUNT_FAILED
 */
export async function copyAttributes(
  host: Host,
  pairs: readonly AttributePair[],
  scratch: string,
): Promise<void> {
  for (let start = 0; start < pairs.length; start += PAIRS_PER_SHOW) {
    const batch = pairs.slice(start, start + PAIRS_PER_SHOW);
    await copyBatch(host, batch, scratch);
  }
}

async function copyBatch(
  host: Host,
  pairs: readonly AttributePair[],
  scratch: string,
): Promise<void> {
  const shown = pairs.flatMap(({ from, to }, index) => [
    [`from/${String(index)}`, from] as const,
    [`to/${String(index)}`, to] as const,
  ]);
  await withDirectoriesShown(host, scratch, shown, async () => {
    await host.run([
      ...["cp", "--archive", "--one-file-system", "--no-target-directory"],
      ...["--", path.join(scratch, "from"), path.join(scratch, "to")],
    ]);
  });
}
