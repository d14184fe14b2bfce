import { shorten, listNames } from "../../base/shorten.ts";
import { BootError } from "../../base/errors.ts";
import { chainIds } from "../../images/chain-id.ts";
import { imageMissing, matchPrefix } from "../../images/image-missing.ts";
import {
  familiarName,
  type ImageId,
  type ImageReference,
} from "../../images/image-ref.ts";
import type { BoltBucket } from "../bolt/bolt.ts";
import { BoltError } from "../bolt/meta.ts";
import {
  requireSubvolume,
  type StoreFile,
  type StoreFiles,
} from "../store-files.ts";
import { findTarget, readTargets } from "../formats/containerd-images.ts";
import {
  CONTAINERD_TO_BTRFS,
  storeUnsupported,
} from "../formats/store-unsupported.ts";
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
import { readBolt } from "./read-bolt.ts";

/** What tells a containerd from other directories. */
export const CONTAINERD_METADATA = "io.containerd.metadata.v1.bolt/meta.db";

/** Docker's; each user of a containerd has one. */
const NAMESPACE = "moby";

const MAX_LISTED = 10;

/** How Docker names what lost its name. */
const NAMELESS = "moby-dangling@";

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
  unsupported(): BootError | undefined {
    const snapshotters = this.#readNamespaces(
      (namespaces) =>
        namespaces.bucket(NAMESPACE, "snapshots")?.bucketNames() ?? [],
    );
    const [other] = snapshotters;
    return other === undefined || snapshotters.includes(SNAPSHOTTER)
      ? undefined
      : this.#unpackedBy(other);
  }

  hasImages(): boolean {
    return this.#readNamespaces((namespaces) => {
      const images = namespaces.bucket(NAMESPACE, "images");
      return images?.entries().next().value !== undefined;
    });
  }

  listNames(): string[] {
    return this.#readNamespaces((namespaces) => {
      const images = namespaces.bucket(NAMESPACE, "images");
      return (images === undefined ? [] : readTargets(images))
        .filter(({ name }) => !name.startsWith(NAMELESS))
        .map(({ name }) => familiarName(name));
    });
  }

  findImage(reference: ImageReference): StoredImage {
    const id = this.#readNamespaces((namespaces) =>
      this.#findId(namespaces, reference),
    );
    if (id !== undefined) return readOciImage(this.#store, id);
    throw imageMissing(reference, this.#store.path, this.listNames());
  }

  findTree({ id, diffIds }: StoredImage): StoredTree {
    const chain = chainIds(diffIds).at(-1) ?? "";
    const snapshot = this.#readSnapshot(id, chain);
    return requireSubvolume(this.#store, id, SNAPSHOTS, snapshot.id);
  }

  listLayers({ id, diffIds }: StoredImage): StoredLayer[] {
    return chainIds(diffIds).map((chainId, index) => {
      const { id: cacheId, sizeBytes } = this.#readSnapshot(id, chainId);
      return { chainId, diffId: diffIds[index] ?? "", cacheId, sizeBytes };
    });
  }

  #findId(
    namespaces: BoltBucket,
    reference: ImageReference,
  ): ImageId | undefined {
    const names = namespaces.bucketNames();
    // Another one's record could be taken for this one's, as in findTarget().
    for (const name of names) namespaces.bucket(name, "images")?.readPages();
    const images = namespaces.bucket(NAMESPACE, "images");
    if (images === undefined) throw this.#namespaceMissing(reference, names);
    return (
      findTarget(images, reference) ??
      matchPrefix(reference, this.#store.path, () =>
        readTargets(images).map(({ digest }) => digest),
      )
    );
  }

  #namespaceMissing(
    reference: ImageReference,
    namespaces: readonly string[],
  ): BootError {
    const { message } = imageMissing(reference, this.#store.path, []);
    const others = listNames(namespaces.map(shorten), MAX_LISTED);
    return new BootError("IMAGE_MISSING", message, {
      cause: new Error(
        `Docker keeps no image in this containerd${others === "" ? "" : `; others do, in the namespace ${others}`}`,
      ),
      hint: "Fetch the image with docker pull in a running system, where Docker uses this containerd.",
    });
  }

  /** @throws BootError STORE_UNSUPPORTED, IMAGE_NOT_UNPACKED, SOURCE_MISSING, STORE_DAMAGED */
  #readSnapshot(id: ImageId, chainId: string): Snapshot {
    const name = this.#readNamespaces((namespaces) => {
      const snapshotters = namespaces.bucket(NAMESPACE, "snapshots");
      const own = snapshotters?.bucket(SNAPSHOTTER, chainId);
      if (snapshotters === undefined || own === undefined) {
        throw this.#notUnpacked(id, chainId, snapshotters);
      }
      const name = own.get("name")?.toString("latin1") ?? "";
      if (name.startsWith(`${NAMESPACE}/`) && name.endsWith(`/${chainId}`)) {
        return name;
      }
      throw new BoltError(`the snapshot ${chainId} has no name that fits it`);
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
    if (other !== undefined && !all.includes(SNAPSHOTTER)) {
      return this.#unpackedBy(other);
    }
    return new BootError(
      "IMAGE_NOT_UNPACKED",
      `the image ${id} is in the store ${this.#store.path}, but not unpacked: the ${SNAPSHOTTER} snapshotter has no tree of it${other === undefined ? "" : `, only ${shorten(other)} has`}`,
      {
        hint: `In a running system, where docker info says that the storage driver is btrfs: docker rm $(docker create NAME true). Where it says another, first ${CONTAINERD_TO_BTRFS}.`,
      },
    );
  }

  #unpackedBy(snapshotter: string): BootError {
    const driver = `containerd's ${shorten(snapshotter)} snapshotter`;
    return storeUnsupported(this.#store.path, "containerd", driver);
  }

  /** @param read gets the bucket of the namespaces, which containerd makes before any other */
  #readNamespaces<T>(read: (namespaces: BoltBucket) => T): T {
    const found = readBolt(this.#metadata, (root) => {
      const namespaces = root.bucket("v1");
      if (namespaces === undefined) throw new BoltError('it has no "v1"');
      return { value: read(namespaces) };
    });
    if (found === undefined) throw this.#metadata.damaged("it is absent");
    return found.value;
  }
}
