import type { Host } from "../host/host.ts";
import type { ImageId, ImageReference } from "../images/image-ref.ts";
import type { StoreKind } from "../options/store-kinds.ts";

/** An image as its store's metadata have it. */
export interface StoredImage {
  /** The ID that its engine shows. */
  readonly id: ImageId;
  /** The digest of its configuration: the same image has the same one in each store. */
  readonly configId: ImageId;
  /** The base layer first; at least one. */
  readonly diffIds: readonly string[];
  /** The platform it is made for, as Go names it (`amd64`, `arm64`); `undefined` where it says none. */
  readonly architecture: string | undefined;
}

/** An image that can be a root. */
export interface FoundImage extends StoredImage {
  readonly store: StoreKind;
  /** The subvolume with the whole tree of its top layer, relative to the filesystem's top level. */
  readonly source: string;
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
  /** The store's directory, seen from the top level; absolute where that is the running system's root. Messages have it as it is here. */
  readonly path: string;
}

/** What one engine's store of one kind says, from its files alone, no engine running. */
export interface StoreReader {
  readonly kind: StoreKind;
  /** What it is, for people: "Docker's btrfs driver". */
  readonly name: string;
  /** Why no image in it can be a root, where that is so. */
  readonly unsupported: () => Error | undefined;
  /** @throws BootError STORE_DAMAGED */
  readonly hasImages: () => boolean;
  /** @throws BootError IMAGE_MISSING, IMAGE_AMBIGUOUS, IMAGE_EMPTY, STORE_DAMAGED */
  readonly lookUp: (reference: ImageReference) => StoredImage;
  /**
   * The subvolume of an image that was looked up, as in `FoundImage`.
   * @throws BootError SOURCE_MISSING, IMAGE_NOT_UNPACKED, STORE_UNSUPPORTED, STORE_DAMAGED
   */
  readonly findSource: (image: StoredImage) => string;
  /**
   * The layers of an image that was looked up, the base layer first.
   * @throws BootError as `findSource`
   */
  readonly listLayers: (image: StoredImage) => StoredLayer[];
}

/** All that a directory holds, as one store. */
export interface ImageStore {
  /**
   * @throws BootError as a reader's `lookUp` and `findSource`; STORE_AMBIGUOUS where several engines'
   *   stores are there and answer differently
   */
  readonly find: (reference: ImageReference) => FoundImage;
  /** The layers of an image that was found, the base layer first. @throws BootError */
  readonly listLayers: (image: FoundImage) => StoredLayer[];
}
