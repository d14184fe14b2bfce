import { listNames } from "../../base/list-names.ts";
import { BootError } from "../../base/errors.ts";
import {
  familiarName,
  type ImageId,
  type ImageReference,
} from "../../images/image-ref.ts";
import { shorten } from "../../base/abbreviate-ids.ts";
import { BoltError } from "../bolt/meta.ts";
import { type BoltBucket, bucketAt, listBuckets } from "../bolt/bolt.ts";
import { readSnapshot, SNAPSHOTTER, subvolumeOf } from "./btrfs-snapshotter.ts";
import { findTarget, readTargets } from "../formats/containerd-images.ts";
import { readBolt } from "./read-bolt.ts";
import { chainIds } from "../../images/chain-id.ts";
import { imageMissing, matchPrefix } from "../../images/image-missing.ts";
import { readOciImage } from "./oci-image.ts";
import { requireSubvolume } from "../require-subvolume.ts";
import { damaged } from "../store-files.ts";
import type {
  StoredImage,
  StoredLayer,
  StoreLocation,
  StoreReader,
} from "../store.ts";
import {
  CONTAINERD_TO_BTRFS,
  storeUnsupported,
} from "../formats/store-unsupported.ts";

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
export function openContainerd(location: StoreLocation): StoreReader {
  return {
    kind: "containerd",
    name: "containerd",
    unsupported: () => unsupportedSnapshotter(location),
    hasImages: () => hasImages(location),
    lookUp: (reference) =>
      readOciImage(
        { location, directory: "io.containerd.content.v1.content/blobs" },
        findImageId(location, reference),
      ),
    findSource: (image) => findSource(location, image),
    listLayers: (image) => listLayers(location, image),
  };
}

/** What tells a containerd from other directories. */
export const CONTAINERD_METADATA = "io.containerd.metadata.v1.bolt/meta.db";

/** Docker's; each user of a containerd has one. */
const NAMESPACE = "moby";

const MAX_LISTED = 10;

/** How Docker names what lost its name. */
const NAMELESS = "moby-dangling@";

function findImageId(
  location: StoreLocation,
  reference: ImageReference,
): ImageId {
  return readMetadata(location, (namespaces) => {
    // Another one's record could be taken for this one's, as in findTarget().
    for (const name of listBuckets(namespaces)) {
      bucketAt(namespaces, [name, "images"])?.readPages();
    }
    const images = bucketAt(namespaces, [NAMESPACE, "images"]);
    if (images === undefined) {
      throw namespaceMissing(reference, location, namespaces);
    }
    const found = findTarget(images, reference);
    if (found !== undefined) return found;
    const all = readTargets(images, "");
    const byPrefix = matchPrefix(reference, location.path, () =>
      all.map(({ digest }) => digest),
    );
    if (byPrefix !== undefined) return byPrefix;
    const names = all.flatMap(({ name }) =>
      name.startsWith(NAMELESS) ? [] : [familiarName(name)],
    );
    throw imageMissing(reference, location.path, names);
  });
}

function namespaceMissing(
  reference: ImageReference,
  { path: store }: StoreLocation,
  namespaces: BoltBucket,
): BootError {
  const names = listBuckets(namespaces);
  const error = imageMissing(reference, store, []);
  return new BootError("IMAGE_MISSING", error.message, {
    cause: new Error(
      names.length === 0
        ? "Docker keeps no image in this containerd"
        : `Docker keeps no image in this containerd; others do, in the namespace ${listNames(names.map(shorten), MAX_LISTED)}`,
    ),
    hint: "Fetch the image with docker pull in a running system, where Docker uses this containerd.",
  });
}

/** @throws BootError STORE_DAMAGED */
function hasImages(location: StoreLocation): boolean {
  return readMetadata(location, (namespaces) => {
    let found = false;
    bucketAt(namespaces, [NAMESPACE, "images"])?.each("", () => {
      found = true;
      return false;
    });
    return found;
  });
}

/** Where images are unpacked, but by another snapshotter only. */
function unsupportedSnapshotter(
  location: StoreLocation,
): BootError | undefined {
  const others = readMetadata(location, (namespaces) =>
    listBuckets(bucketAt(namespaces, [NAMESPACE, "snapshots"])),
  );
  const [other] = others;
  return other === undefined || others.includes(SNAPSHOTTER)
    ? undefined
    : storeUnsupported(location.path, {
        engine: "containerd",
        driver: shorten(other),
      });
}

function findSource(location: StoreLocation, image: StoredImage): string {
  const { id, diffIds } = image;
  const chain = chainIds(diffIds).at(-1) ?? "";
  const snapshot = readSnapshot(
    location,
    findSnapshotName(location, id, chain),
  );
  return requireSubvolume(location, id, subvolumeOf(location, snapshot));
}

function listLayers(
  location: StoreLocation,
  { id, diffIds }: StoredImage,
): StoredLayer[] {
  return chainIds(diffIds).map((chainId, index) => {
    const name = findSnapshotName(location, id, chainId);
    const snapshot = readSnapshot(location, name);
    return {
      chainId,
      diffId: diffIds[index] ?? "",
      cacheId: String(snapshot.id),
      sizeBytes: snapshot.sizeBytes,
    };
  });
}

/** The snapshotter's name for a layer. @throws BootError STORE_UNSUPPORTED, IMAGE_NOT_UNPACKED */
function findSnapshotName(
  location: StoreLocation,
  id: ImageId,
  chainId: string,
): string {
  return readMetadata(location, (namespaces) => {
    const snapshotters = bucketAt(namespaces, [NAMESPACE, "snapshots"]);
    const own = bucketAt(snapshotters, [SNAPSHOTTER, chainId]);
    if (own !== undefined) {
      const name = own.get("name")?.toString("latin1") ?? "";
      if (name.startsWith(`${NAMESPACE}/`) && name.endsWith(`/${chainId}`)) {
        return name;
      }
      throw new BoltError(`the snapshot ${chainId} has no name that fits it`);
    }
    const all = listBuckets(snapshotters);
    const found = all.find(
      (name) => bucketAt(snapshotters, [name, chainId]) !== undefined,
    );
    const other = found === undefined ? undefined : shorten(found);
    if (other !== undefined && !all.includes(SNAPSHOTTER)) {
      throw storeUnsupported(location.path, {
        engine: "containerd",
        driver: other,
      });
    }
    throw new BootError(
      "IMAGE_NOT_UNPACKED",
      `the image ${id} is in the store ${location.path}, but not unpacked: the ${SNAPSHOTTER} snapshotter has no tree of it${other === undefined ? "" : `, only ${other} has`}`,
      {
        hint: `In a running system, where docker info says that the storage driver is btrfs: docker rm $(docker create NAME true). Where it says another, first ${CONTAINERD_TO_BTRFS}.`,
      },
    );
  });
}

/** @param read gets the bucket of the namespaces, which containerd makes before any other */
function readMetadata<T>(
  location: StoreLocation,
  read: (namespaces: BoltBucket) => T,
): T {
  const found = readBolt(location, CONTAINERD_METADATA, (root) => {
    const namespaces = root.bucket("v1");
    if (namespaces === undefined) throw new BoltError('it has no "v1"');
    return { value: read(namespaces) };
  });
  if (found === undefined) {
    throw damaged(location, CONTAINERD_METADATA, "it is absent");
  }
  return found.value;
}
