import { LAYERS } from "../../runtime/options/rwlayer-names.ts";
import type { Disk } from "../../runtime/disk/disk.ts";
import { listHeld } from "../../runtime/disk/overlay/layers.ts";
import { measureTree } from "../system/measure-tree.ts";
import type { HeldLayers, RootSize } from "./formats/status.ts";
import type { Gaps } from "./unreadable.ts";

/** What was written to a root that is an overlay. @throws HelperError */
export async function measureRoot(disk: Disk, root: string): Promise<RootSize> {
  return {
    referencedBytes: null,
    exclusiveBytes: await measureTree(disk.host, disk.at(root)),
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
      count === 0 ? 0 : measureTree(disk.host, disk.at(LAYERS)),
    );
    return { count, bytes };
  });
}
