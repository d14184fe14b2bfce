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
import type { StoreFile, StoreFiles } from "../store-files.ts";
import { requireLayers, requireSubvolume } from "../stored-tree.ts";
import type {
  StoredImage,
  StoredLayer,
  StoredTree,
  StoreReader,
  TreeKind,
} from "../store.ts";
import {
  databaseOf,
  readSnapshot,
  readSnapshotLayers,
  SNAPSHOTTERS,
  snapshotsOf,
  type Snapshotter,
} from "./snapshotter.ts";
import { readOciImage } from "./oci-image.ts";

/** What tells a containerd from other directories. */
export const CONTAINERD_METADATA = "io.containerd.metadata.v1.bolt/meta.db";

/** Docker's; each user of a containerd has one. */
export const CONTAINERD_NAMESPACE = "moby";
const MAX_LISTED = 10;

const TREE_KINDS = {
  btrfs: "subvolume",
  overlayfs: "layers",
} as const satisfies Record<Snapshotter, TreeKind>;

/** How Docker names what lost its name. */
const NAMELESS = "moby-dangling@";

/** An image's name in full, and the digest of its manifest or index. */
interface Target {
  readonly name: string;
  readonly digest: ImageId;
}

/**
 * containerd's image store, as Docker uses it (namespace `moby`), with the snapshotters for btrfs and
 * overlayfs.
 *
 * - `io.containerd.metadata.v1.bolt/meta.db` has `v1/moby/images/<full name>/target/digest`, and
 *   `v1/moby/snapshots/<snapshotter>/<chain ID>/name`: the snapshotter's own name of that snapshot.
 * - `io.containerd.content.v1.content/blobs` has manifests, indexes and configurations.
 * - The snapshotter leads from that name to the subvolume, or to the layers.
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

  /** Where nothing is unpacked yet, it can be by each. */
  treeKinds(): readonly TreeKind[] {
    const used = this.#snapshotters();
    return SNAPSHOTTERS.filter(
      (name) => used.length === 0 || used.includes(name),
    ).map((name) => TREE_KINDS[name]);
  }

  explainUnsupported(missing?: BootError): BootError {
    const other = this.#snapshotters().find((name) => name !== "btrfs") ?? "";
    const driver = `containerd's ${shorten(other)} snapshotter`;
    const hasLayers = this.treeKinds().includes("layers");
    return storeUnsupported(
      this.#store.path,
      "containerd",
      driver,
      hasLayers,
      missing,
    );
  }

  #snapshotters(): string[] {
    return this.#readNamespaces(
      (namespaces) =>
        namespaces.bucket(CONTAINERD_NAMESPACE, "snapshots")?.bucketNames() ??
        [],
    );
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
    const [snapshotter, name] = this.#findSnapshot(id, chain);
    const directory = snapshotsOf(snapshotter);
    if (snapshotter === "btrfs") {
      const snapshot = readSnapshot(this.#store, snapshotter, name);
      return requireSubvolume(this.#store, id, directory, snapshot.id);
    }
    const layers = readSnapshotLayers(this.#store, name);
    const list = databaseOf(this.#store, snapshotter);
    if (layers.length >= diffIds.length) {
      return requireLayers(list, id, directory, layers);
    }
    throw list.damaged(`the image ${id} has more layers than it lists`);
  }

  listLayers({ id, diffIds }: StoredImage): StoredLayer[] {
    return chainIds(diffIds).map((chainId, index) => {
      const [snapshotter, name] = this.#findSnapshot(id, chainId);
      const snapshot = readSnapshot(this.#store, snapshotter, name);
      const { id: cacheId, sizeBytes } = snapshot;
      return { chainId, diffId: diffIds[index] ?? "", cacheId, sizeBytes };
    });
  }

  /**
   * The snapshot of a chain of layers: the snapshotter that has unpacked it, and its name there.
   * @throws BootError IMAGE_NOT_UNPACKED, STORE_DAMAGED
   */
  #findSnapshot(id: ImageId, chainId: string): [Snapshotter, string] {
    return this.#readNamespaces((namespaces) => {
      const all = namespaces.bucket(CONTAINERD_NAMESPACE, "snapshots");
      for (const snapshotter of SNAPSHOTTERS) {
        const own = all?.bucket(snapshotter, chainId);
        if (own === undefined) continue;
        const name = own.get("name")?.toString("latin1") ?? "";
        if (
          name.startsWith(`${CONTAINERD_NAMESPACE}/`) &&
          name.endsWith(`/${chainId}`)
        ) {
          return [snapshotter, name];
        }
        throw new BoltError(
          `the snapshot ${chainId} has a name that does not fit it`,
        );
      }
      throw this.#notUnpacked(id, chainId, all);
    });
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
      `the image ${id} is in the store ${this.#store.path}, but not unpacked: no snapshotter for ${SNAPSHOTTERS.join(" or ")} has a tree of it${other === undefined ? "" : `, only ${shorten(other)} has`}`,
      {
        hint: `In a running system, where docker info says that the storage driver is btrfs or overlayfs: docker rm $(docker create NAME true). Where it says another, first ${CONTAINERD_TO_BTRFS} ("overlayfs" where the store is on no btrfs).`,
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
