import type { BootError } from "../base/errors.ts";
import type { Host } from "../host/host.ts";
import type {
  ImageId,
  ImageName,
  ImageReference,
} from "../images/image-ref.ts";
import type { StoreKind } from "../options/table.ts";

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
export interface RootImage extends StoredImage {
  /** Whose store it is in, or `kept`: it is one of those that deployments boot. */
  readonly store: StoreKind | "kept";
  /**
   * The subvolume with the whole tree of its leaf layer, or the directory of that layer alone; relative to the
   * filesystem's top level.
   */
  readonly source: string;
  /** What its tree is an overlay of, the leaf layer first; absent where that is a subvolume. */
  readonly layers?: readonly TreeLayer[];
  /** The name under which a kept image is known, where that says more than what it was asked for by. */
  readonly reference?: string;
}

/** One that is in an engine's store. */
export interface FoundRoot extends RootImage {
  readonly store: StoreKind;
}

/** An image that is whole in an engine's store. */
export interface FoundImage extends StoredImage {
  readonly store: StoreKind;
  readonly tree: StoredTree;
}

/** What the files of an image are in its store. */
export type StoredTree = SubvolumeTree | LayeredTree;

export type TreeKind = StoredTree["kind"];

/** Those of which a boot makes roots. */
export const ROOT_TREES: readonly TreeKind[] = ["subvolume"];

export interface SubvolumeTree {
  readonly kind: "subvolume";
  /** The subvolume with the whole tree of the leaf layer, relative to the filesystem's top level. */
  readonly source: string;
}

/** What overlayfs makes a tree of. */
export interface LayeredTree {
  readonly kind: "layers";
  /** The leaf layer first, as in `lowerdir=`; at least one. No two have a directory or a key in common. */
  readonly layers: readonly TreeLayer[];
}

export interface TreeLayer {
  /**
   * The directory of the files that the layer adds to those below, with overlayfs' whiteouts. Relative to
   * the filesystem's top level, symlinks resolved, as `SubvolumeTree.source` is: parts of a store may
   * be links that lead elsewhere on its filesystem.
   */
  readonly directory: string;
  /**
   * The store's own name for the layer, by which it can be told from each other layer of any store, also
   * from one that a store had or will have in the same directory: it can name what is made of the
   * layer. At most 128 letters, digits and `-`; never begins with `-`.
   */
  readonly key: string;
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

/**
 * Reads one engine's store of one kind, from its files alone, no engine running. What is in there but
 * not as its format says is a BootError STORE_DAMAGED from each of its methods.
 */
export interface StoreReader {
  readonly kind: StoreKind;
  /** What it is, for people: "Docker's btrfs driver". */
  readonly name: string;
  /** What the trees of its images can be; nothing where no root can be made of any. */
  treeKinds(): readonly TreeKind[];
  /**
   * Why no root can be made of its images.
   * @param missing why the image that was asked for is not there
   */
  explainUnsupported(missing?: BootError): BootError;
  /** The IDs of its images, with a name or without; one may be there twice. */
  listIds(): ImageId[];
  /** The names of its images, as its engine prints them. */
  listNames(): string[];
  /** Where it has no image: what it has instead. */
  explainEmpty?(): string | undefined;
  /** The image that its engine finds first under a name. @throws BootError IMAGE_AMBIGUOUS */
  findNamed(name: ImageName): ImageId | undefined;
  /** The image that it finds last, after one whose ID begins like that. @throws BootError IMAGE_AMBIGUOUS */
  findNamedLast?(name: ImageName): ImageId | undefined;
  /**
   * @param id of an image that is there
   * @param reference that led to it, for messages
   * @throws BootError IMAGE_MISSING where there is none for this machine, IMAGE_EMPTY
   */
  readImage(id: ImageId, reference: ImageReference): StoredImage;
  /** @throws BootError SOURCE_MISSING, IMAGE_NOT_UNPACKED, STORE_UNSUPPORTED */
  findTree(image: StoredImage): StoredTree;
  /** The base layer first. @throws BootError as `findTree` */
  listLayers(image: StoredImage): StoredLayer[];
}

/** All that a directory holds, as one store. */
export interface ImageStore {
  /**
   * @throws BootError as a reader's methods; STORE_AMBIGUOUS where several engines' stores are there and
   *   answer differently
   */
  readonly find: (reference: ImageReference) => FoundImage;
  /**
   * Finds an image of which a boot makes roots.
   * @throws BootError as `find`; STORE_UNSUPPORTED where its tree is none of `ROOT_TREES`
   */
  readonly findRoot: (reference: ImageReference) => FoundRoot;
  /** The layers of an image that was found, the base layer first. @throws BootError */
  readonly listLayers: (image: FoundImage) => StoredLayer[];
}
