import { listNames, shorten } from "../../base/shorten.ts";
import { BootError } from "../../base/errors.ts";
import { chainIds } from "../image-config.ts";
import {
  familiarName,
  fullRepository,
  isImageId,
  type ImageId,
  type ImageName,
} from "../../images/image-ref.ts";
import type { BoltBucket } from "../bolt/bolt.ts";
import { BoltError } from "../bolt/meta.ts";
import {
  CONTAINERD_TO_BTRFS,
  storeUnsupported,
} from "../formats/store-unsupported.ts";
import {
  requireSubvolume,
  type StoreFile,
  type StoreFiles,
} from "../store-files.ts";
import type {
  StoredImage,
  StoredLayer,
  StoredTree,
  StoreReader,
} from "../store.ts";
import {
  readSnapshot,
  SNAPSHOTS,
  SNAPSHOTTER,
  type Snapshot,
} from "./btrfs-snapshotter.ts";
import { readOciImage } from "./oci-image.ts";

/** What tells a containerd from other directories. */
export const CONTAINERD_METADATA = "io.containerd.metadata.v1.bolt/meta.db";

/** Docker's; each user of a containerd has one. */
export const CONTAINERD_NAMESPACE = "moby";
const MAX_LISTED = 10;

/** How Docker names what lost its name. */
const NAMELESS = "moby-dangling@";

/** An image's name in full, and the digest of its manifest or index. */
interface Target {
  readonly name: string;
  readonly digest: ImageId;
}

/**
 * containerd's image store, as Docker uses it (namespace `moby`), with the btrfs snapshotter.
 *
 * - `io.containerd.metadata.v1.bolt/meta.db` has `v1/moby/images/<full name>/target/digest`, and
 *   `v1/moby/snapshots/<snapshotter>/<chain ID>/name`: the snapshotter's own name of that snapshot.
 * - `io.containerd.content.v1.content/blobs` has manifests, indexes and configurations.
 * - The snapshotter leads from that name to the subvolume.
 *
 * Format: containerd's core/metadata/buckets.go
 * (https://github.com/containerd/containerd/tree/v2.1.4).
 */
export class ContainerdStore implements StoreReader {
  readonly kind = "containerd";
  readonly name = "containerd";
  readonly #store: StoreFiles;
  readonly #metadata: StoreFile;

  constructor(store: StoreFiles) {
    this.#store = store;
    this.#metadata = store.file(CONTAINERD_METADATA);
  }

  /** Where images are unpacked, but by another snapshotter only. */
  unsupported(missing?: BootError): BootError | undefined {
    const snapshotters = this.#readNamespaces(
      (namespaces) =>
        namespaces.bucket(CONTAINERD_NAMESPACE, "snapshots")?.bucketNames() ??
        [],
    );
    const [other] = snapshotters;
    if (other === undefined || snapshotters.includes(SNAPSHOTTER)) {
      return undefined;
    }
    const driver = `containerd's ${shorten(other)} snapshotter`;
    return storeUnsupported(this.#store.path, "containerd", driver, missing);
  }

  listIds(): ImageId[] {
    const targets = this.#readImages((images) => readTargets(images));
    return targets?.map(({ digest }) => digest) ?? [];
  }

  listNames(): string[] {
    const targets = this.#readImages((images) => readTargets(images)) ?? [];
    return targets
      .filter(({ name }) => !name.startsWith(NAMELESS))
      .map(({ name }) => familiarName(name));
  }

  explainEmpty(): string | undefined {
    return this.#readNamespaces((namespaces) => {
      if (namespaces.bucket(CONTAINERD_NAMESPACE, "images") !== undefined) {
        return undefined;
      }
      const others = namespaces.bucketNames().map(shorten);
      return `Docker keeps no image in this containerd${others.length === 0 ? "" : `; others do, in the namespace ${listNames(others, MAX_LISTED)}`}`;
    });
  }

  findNamed(reference: ImageName): ImageId | undefined {
    return this.#readImages((images) => findTarget(images, reference));
  }

  readImage(id: ImageId): StoredImage {
    return readOciImage(this.#store, id);
  }

  findTree({ id, diffIds }: StoredImage): StoredTree {
    const chain = chainIds(diffIds).at(-1) ?? "";
    const snapshot = this.#readSnapshot(id, chain);
    const source = requireSubvolume(this.#store, id, SNAPSHOTS, snapshot.id);
    return { kind: "subvolume", source };
  }

  listLayers({ id, diffIds }: StoredImage): StoredLayer[] {
    return chainIds(diffIds).map((chainId, index) => {
      const { id: cacheId, sizeBytes } = this.#readSnapshot(id, chainId);
      return { chainId, diffId: diffIds[index] ?? "", cacheId, sizeBytes };
    });
  }

  /** @throws BootError IMAGE_NOT_UNPACKED, SOURCE_MISSING, STORE_DAMAGED */
  #readSnapshot(id: ImageId, chainId: string): Snapshot {
    const name = this.#readNamespaces((namespaces) => {
      const snapshotters = namespaces.bucket(CONTAINERD_NAMESPACE, "snapshots");
      const own = snapshotters?.bucket(SNAPSHOTTER, chainId);
      if (snapshotters === undefined || own === undefined) {
        throw this.#notUnpacked(id, chainId, snapshotters);
      }
      const name = own.get("name")?.toString("latin1") ?? "";
      if (
        name.startsWith(`${CONTAINERD_NAMESPACE}/`) &&
        name.endsWith(`/${chainId}`)
      ) {
        return name;
      }
      throw new BoltError(
        `the snapshot ${chainId} has a name that does not fit it`,
      );
    });
    return readSnapshot(this.#store, name);
  }

  #notUnpacked(
    id: ImageId,
    chainId: string,
    snapshotters: BoltBucket | undefined,
  ): BootError {
    const all = snapshotters?.bucketNames() ?? [];
    const other = all.find(
      (name) => snapshotters?.bucket(name, chainId) !== undefined,
    );
    return new BootError(
      "IMAGE_NOT_UNPACKED",
      `the image ${id} is in the store ${this.#store.path}, but not unpacked: the ${SNAPSHOTTER} snapshotter has no tree of it${other === undefined ? "" : `, only ${shorten(other)} has`}`,
      {
        hint: `In a running system, where docker info says that the storage driver is btrfs: docker rm $(docker create NAME true). Where it says another, first ${CONTAINERD_TO_BTRFS}.`,
      },
    );
  }

  /** @param read gets the bucket of Docker's images; not called where there is none */
  #readImages<T>(read: (images: BoltBucket) => T): T | undefined {
    return this.#readNamespaces((namespaces) => {
      // That a name leads to another's record shows only when all names are read.
      for (const name of namespaces.bucketNames()) {
        namespaces.bucket(name, "images")?.readPages();
      }
      const images = namespaces.bucket(CONTAINERD_NAMESPACE, "images");
      return images === undefined ? undefined : read(images);
    });
  }

  /** @param read gets the bucket of the namespaces, which containerd makes before any other */
  #readNamespaces<T>(read: (namespaces: BoltBucket) => T): T {
    const found = this.#metadata.readBolt((root) => {
      const namespaces = root.bucket("v1");
      if (namespaces === undefined) throw new BoltError('it has no "v1"');
      return { value: read(namespaces) };
    });
    if (found === undefined) throw this.#metadata.absent();
    return found.value;
  }
}

/** @throws BoltError */
function findTarget(
  images: BoltBucket,
  { repository, tag, digest }: ImageName,
): ImageId | undefined {
  const full = fullRepository(repository);
  if (digest === undefined) {
    const name = `${full}:${tag}`;
    const image = images.bucket(name);
    return image === undefined ? undefined : readTarget(name, image);
  }
  // A tag's own image, too, is found by its digest.
  return readTargets(images, full).find(
    (target) =>
      target.digest === digest && /^[:@]/.test(target.name.slice(full.length)),
  )?.digest;
}

/** The images whose names begin like that. @throws BoltError */
export function readTargets(images: BoltBucket, prefix = ""): Target[] {
  const targets: Target[] = [];
  for (const entry of images.entries(prefix)) {
    const name = entry.key.toString("utf8");
    if (!name.startsWith(prefix)) break;
    if (entry.kind === "value") continue;
    targets.push({ name, digest: readTarget(name, entry.bucket) });
  }
  return targets;
}

/** @throws BoltError */
function readTarget(name: string, image: BoltBucket): ImageId {
  const digest = image.bucket("target")?.get("digest")?.toString("latin1");
  if (digest === undefined || !isImageId(digest)) {
    throw new BoltError(`the image ${shorten(name)} has no valid digest`);
  }
  return digest;
}
