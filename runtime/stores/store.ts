import type { Host } from "../host/host.ts";
import type { ImageId, ImageReference } from "../image-ref.ts";

/** An image as its store has it. */
export interface FoundImage {
  readonly id: ImageId;
  /** The subvolume with the whole tree of its top layer, relative to the filesystem's top level. */
  readonly source: string;
  readonly layerCount: number;
  /** The platform it is made for, as Go names it (`amd64`, `arm64`); `undefined` where it says none. */
  readonly architecture: string | undefined;
}

/** A layer of an image, as its engine keeps it. */
export interface StoredLayer {
  readonly chainId: string;
  readonly diffId: string;
  /** The engine's own name for it. */
  readonly cacheId: string;
  /** What it adds to the layers below, as the engine has counted it. */
  readonly sizeBytes: number;
}

/** Where a store stands. */
export interface StoreLocation {
  readonly host: Host;
  /** Where the filesystem's top level is mounted. */
  readonly topLevel: string;
  /** The store's directory, relative to the top level. */
  readonly path: string;
}

export interface ImageStore {
  /**
   * Finds an image from the store's files alone, no engine running.
   * @throws BootError IMAGE_MISSING, IMAGE_AMBIGUOUS, IMAGE_EMPTY, SOURCE_MISSING, STORE_DAMAGED
   */
  find(reference: ImageReference): FoundImage;
  /**
   * The layers of an image that was found, the base layer first.
   * @throws BootError SOURCE_MISSING, STORE_DAMAGED
   */
  listLayers(id: ImageId): StoredLayer[];
}
