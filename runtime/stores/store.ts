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
}
