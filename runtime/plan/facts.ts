import type { BootError } from "../base/errors.ts";
import type { BlockDevice } from "../disk/device.ts";
import type { DiskFacts, PathState } from "../disk/disk.ts";
import type { ImageReference } from "../images/image-ref.ts";
import type { TopLayerRecord } from "../records/rwlayer-state.ts";
import type { RootImage, TreeLayer } from "../stores/store.ts";
import type { SubvolumeGap } from "../disk/subvolume-gaps.ts";
import type { DiskOptions, SystemOptions } from "../options/options.ts";
import type { ListedLayer } from "../tree/layer.ts";
import type { MergePlan } from "../tree/merge-plan.ts";

export interface TopLayerFacts {
  /** In the order in which they are laid over. */
  readonly layers: readonly ListedLayer[];
  readonly record: TopLayerRecord;
}

/** All that deciding needs to know of the machine to make a new root. */
export interface BootFacts extends DiskFacts {
  readonly device: BlockDevice;
  /** The disk takes no writes. */
  readonly isReadOnly: boolean;
  readonly reference: ImageReference;
  readonly image: RootImage;
  /** Where the tree is that root begins as, or that is kept; absolute. */
  readonly tree: string;
  /** Where images are, symlinks resolved: the store's directory, or that of kept images. */
  readonly storePath: string;
  readonly staging: PathState;
  /** The image's layers that dockroot does not hold yet, where root is an overlay. */
  readonly missingLayers: readonly TreeLayer[];
  /** The names in the generations' directory. */
  readonly generations: readonly string[];
  /** Where the subvolume is that staging is a snapshot of, as far as that must be known. */
  readonly stagingOrigin: string | undefined;
  /** What an engine has left in the image; relative to its root. */
  readonly engineArtifacts: readonly string[];
  /** Of nested subvolumes, in a snapshot of the image. */
  readonly gaps: readonly SubvolumeGap[];
  readonly topLayer: TopLayerFacts | undefined;
  /**
   * How the top layer is merged into what root is made from, or why it cannot be; `undefined` where it
   * is not copied.
   */
  readonly merge: MergePlan | BootError | undefined;
  /** The ID of the kept image whose modules of the running kernel the root gets; `undefined` where it needs none. */
  readonly modulesFrom: string | undefined;
  readonly init: string | undefined;
  readonly kernelRelease: string;
  readonly modes: Pick<SystemOptions, "rwlayerMode" | "topLayerMode"> &
    Partial<Pick<SystemOptions, "deployment"> & Pick<DiskOptions, "upper">>;
}
