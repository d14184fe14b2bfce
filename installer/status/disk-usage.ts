import { LAYERS } from "../../runtime/options/rwlayer-names.ts";
import type { Disk } from "../../runtime/disk/disk.ts";
import { listHeld } from "../../runtime/disk/overlay/layers.ts";
import type { HeldLayers, RootSize } from "./formats/status.ts";
import type { Gaps } from "./unreadable.ts";

/** What was written to a root that is an overlay. @throws HelperError */
export async function measureRoot(disk: Disk, root: string): Promise<RootSize> {
  return {
    referencedBytes: null,
    exclusiveBytes: await measure(disk, root),
  };
}

/** The layers that roots are made of; `null` where roots are subvolumes. */
export async function readHeldLayers(
  disk: Disk,
  gaps: Gaps,
): Promise<HeldLayers | null> {
  if (!disk.isOverlay) return null;
  return gaps.attempt("the layers that roots are made of", async () => {
    const count = listHeld(disk).length;
    const bytes = await gaps.attempt("the size of the layers", () =>
      count === 0 ? 0 : measure(disk, LAYERS),
    );
    return { count, bytes };
  });
}

/** The room that a directory takes, files with several names in it once. */
async function measure(disk: Disk, directory: string): Promise<number> {
  const command = ["du", "--summarize", "--block-size=1", "--one-file-system"];
  const { stdout } = await disk.host.run([
    ...command,
    "--",
    disk.at(directory),
  ]);
  return Number.parseInt(stdout.toString("utf8"), 10);
}
