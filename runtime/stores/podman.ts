import path from "node:path";
import { isSubvolume } from "../btrfs.ts";
import { goArchitecture } from "../go-architecture.ts";
import { BootError } from "../host/errors.ts";
import {
  formatImageReference,
  isImageId,
  type ImageId,
  type ImageReference,
} from "../image-ref.ts";
import { isCount, isRecord } from "../json-values.ts";
import { shorten } from "../shorten.ts";
import { chainIds, sha256 } from "./chain-id.ts";
import { imageMissing } from "./image-missing.ts";
import { matchPrefix } from "./match-prefix.ts";
import { parsePodmanImages, type PodmanImage } from "./podman-images.ts";
import { matchName, matchNameEnd } from "./podman-names.ts";
import {
  damaged,
  findDirectory,
  parseJson,
  PULL_AGAIN,
  readJson,
  readStoreFile,
} from "./store-files.ts";
import type {
  FoundImage,
  ImageStore,
  StoredLayer,
  StoreLocation,
} from "./store.ts";

/**
 * Podman's image store, containers-storage, with the btrfs driver: three files are read for an image,
 * whatever the size of the store.
 *
 * `btrfs-images/images.json` has each image's ID, names and top layer;
 * `btrfs-images/<ID>/=<base64 of sha256:ID>` is its configuration with the diff IDs;
 * `btrfs-layers/layers.json` leads from the top layer down to the base. The top layer's tree is the
 * subvolume `btrfs/subvolumes/<layer ID>`. Formats: images.go and layers.go of containers-storage
 * (https://github.com/containers/storage/tree/v1.57.2).
 *
 * Not read: additional image stores (`additionalimagestores`), which may lie on another filesystem.
 */
export function openPodman(location: StoreLocation): ImageStore {
  return {
    find: (reference) => findImage(location, reference),
    listLayers: (id) => listLayers(location, id),
  };
}

const IMAGES = "btrfs-images";
const IMAGES_FILE = path.join(IMAGES, "images.json");
const LAYERS_FILE = "btrfs-layers/layers.json";
const SUBVOLUMES = "btrfs/subvolumes";
/** Some ten thousand images or layers. */
const MAX_LIST_BYTES = 64 * 1024 * 1024;
const MAX_CONFIG_BYTES = 16 * 1024 * 1024;
const MAX_INDEX_BYTES = 4 * 1024 * 1024;
const LAYER_ID = /^[0-9a-f]{64}$/;

/** A layer that layers.json has. */
interface PodmanLayer {
  readonly id: string;
  readonly diffId: string;
  readonly sizeBytes: unknown;
}

function findImage(
  location: StoreLocation,
  reference: ImageReference,
): FoundImage {
  const images = readImages(location);
  const named = findEntry(location, reference, images);
  const image = named.isList
    ? findInList(location, reference, named, images)
    : named;
  const { id } = image;
  const { diffIds, architecture } = readConfig(location, image);
  const top = readLayers(location, image, diffIds).at(-1)?.id ?? "";
  const source = path.join(findDirectory(location, SUBVOLUMES), top);
  if (!isSubvolume(location.host, path.join(location.topLevel, source))) {
    throw new BootError(
      "SOURCE_MISSING",
      `the image ${id} has its top layer at ${source}, but there is no subvolume`,
      { hint: PULL_AGAIN },
    );
  }
  return { id, source, layerCount: diffIds.length, architecture };
}

function readImages(location: StoreLocation): PodmanImage[] {
  return parsePodmanImages(
    readJson(location, IMAGES_FILE, MAX_LIST_BYTES),
    (what) => damaged(location, IMAGES_FILE, what),
  );
}

function findEntry(
  location: StoreLocation,
  reference: ImageReference,
  images: readonly PodmanImage[],
): PodmanImage {
  const byId = (id: ImageId | undefined) =>
    images.find((image) => image.id === id);
  const found =
    reference.kind === "id"
      ? byId(reference.id)
      : (matchName(reference, images) ??
        byId(
          matchPrefix(reference, location.path, () =>
            images.map(({ id }) => id),
          ),
        ) ??
        matchNameEnd(reference, images));
  if (found !== undefined) return found;
  throw imageMissing(
    reference,
    location.path,
    images.flatMap(({ names }) => names),
  );
}

/** The first image in a list that is for this machine, as Podman takes it. */
function findInList(
  location: StoreLocation,
  reference: ImageReference,
  list: PodmanImage,
  images: readonly PodmanImage[],
): PodmanImage {
  const machine = goArchitecture(location.host);
  const entries = readList(location, list);
  const fitting = entries.find(
    ({ os, architecture }) => os === "linux" && architecture === machine,
  );
  const found = images.find(
    ({ isList, manifestDigests }) =>
      !isList && manifestDigests.includes(fitting?.digest ?? ""),
  );
  if (found !== undefined) return found;
  const platforms = entries.map(({ os, architecture }) =>
    shorten(`${os}/${architecture}`),
  );
  throw new BootError(
    "IMAGE_MISSING",
    `${formatImageReference(reference)} is a list of images for several platforms, and the one for linux/${machine} is not in the store ${location.path}`,
    {
      cause: new Error(`it has: ${platforms.slice(0, 10).join(", ")}`),
      hint: "Build it for this machine's platform, or name one of the images by its ID.",
    },
  );
}

/** @see https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md */
function readList(
  location: StoreLocation,
  { id }: PodmanImage,
): { digest: string; os: string; architecture: string }[] {
  const file = path.join(IMAGES, hexOf(id), "manifest");
  const index = readJson(location, file, MAX_INDEX_BYTES);
  const manifests = isRecord(index) ? index["manifests"] : undefined;
  if (!Array.isArray(manifests)) {
    throw damaged(location, file, `it has no "manifests"`);
  }
  return manifests.map((entry: unknown) => {
    const platform = isRecord(entry) ? entry["platform"] : undefined;
    if (!isRecord(entry) || !isDigest(entry["digest"]) || !isRecord(platform)) {
      throw damaged(location, file, "an image in it has no digest or platform");
    }
    return {
      digest: entry["digest"],
      os: String(platform["os"]),
      architecture: String(platform["architecture"]),
    };
  });
}

function readConfig(
  location: StoreLocation,
  { id, topLayer }: PodmanImage,
): { diffIds: readonly string[]; architecture: string | undefined } {
  const name = `=${Buffer.from(id).toString("base64")}`;
  const file = path.join(IMAGES, hexOf(id), name);
  const bytes = readStoreFile(location, file, MAX_CONFIG_BYTES);
  if (`sha256:${sha256(bytes)}` !== id) {
    throw damaged(
      location,
      file,
      `its content (${String(bytes.length)} bytes) has another sha256 than its name says`,
    );
  }
  const config = parseJson(location, file, bytes);
  const rootfs = isRecord(config) ? config["rootfs"] : undefined;
  if (!isRecord(config) || !isRecord(rootfs)) {
    throw damaged(location, file, `it has no "rootfs"`);
  }
  const diffIds: unknown = rootfs["diff_ids"] ?? [];
  if (!Array.isArray(diffIds) || !diffIds.every(isDigest)) {
    throw damaged(location, file, `its "diff_ids" are no digests`);
  }
  if (diffIds.length === 0 && topLayer === undefined) {
    throw new BootError(
      "IMAGE_EMPTY",
      `the image ${id} has no layers, so there is no root filesystem in it`,
      {
        hint: "Name an image that holds a system; this one was built FROM scratch without any file.",
      },
    );
  }
  const { architecture } = config;
  return {
    diffIds,
    architecture: typeof architecture === "string" ? architecture : undefined,
  };
}

/** The base layer first. @throws BootError */
function listLayers(location: StoreLocation, id: ImageId): StoredLayer[] {
  const image = readImages(location).find((entry) => entry.id === id);
  if (image === undefined) {
    throw imageMissing({ kind: "id", id }, location.path, []);
  }
  const { diffIds } = readConfig(location, image);
  const chains = chainIds(diffIds);
  return readLayers(location, image, diffIds).map((layer, index) => {
    // Go leaves out what is 0.
    const sizeBytes = layer.sizeBytes ?? 0;
    if (!isCount(sizeBytes)) {
      throw damaged(location, LAYERS_FILE, `the layer ${layer.id} has no size`);
    }
    return {
      chainId: chains[index] ?? "",
      diffId: layer.diffId,
      cacheId: layer.id,
      sizeBytes,
    };
  });
}

/**
 * The base layer first: from the top layer down, one for each diff ID, which also bounds what loops.
 * @throws BootError SOURCE_MISSING, STORE_DAMAGED
 */
function readLayers(
  location: StoreLocation,
  image: PodmanImage,
  diffIds: readonly string[],
): PodmanLayer[] {
  const parsed = readJson(location, LAYERS_FILE, MAX_LIST_BYTES);
  if (!Array.isArray(parsed)) {
    throw damaged(location, LAYERS_FILE, "it is no list of layers");
  }
  const entries = new Map<unknown, Record<string, unknown>>();
  for (const entry of parsed.filter(isRecord)) entries.set(entry["id"], entry);

  const layers: PodmanLayer[] = [];
  let next: unknown = image.topLayer;
  for (const diffId of diffIds.toReversed()) {
    const layer = readLayer(location, image.id, next, entries);
    if (layer.diffId !== diffId) {
      throw damaged(
        location,
        LAYERS_FILE,
        `the layer ${layer.id} is ${shorten(layer.diffId)}, the image's layer is ${diffId}`,
      );
    }
    layers.push(layer);
    next = layer.parent;
  }
  if (next !== undefined) {
    throw damaged(
      location,
      LAYERS_FILE,
      `below the ${String(diffIds.length)} layers of the image ${image.id} is another one`,
    );
  }
  return layers.toReversed();
}

function readLayer(
  location: StoreLocation,
  image: ImageId,
  id: unknown,
  entries: ReadonlyMap<unknown, Record<string, unknown>>,
): PodmanLayer & { readonly parent: unknown } {
  if (typeof id !== "string" || !LAYER_ID.test(id)) {
    throw damaged(
      location,
      LAYERS_FILE,
      `a layer of the image ${image} has the ID "${shorten(String(id))}"`,
    );
  }
  const entry = entries.get(id);
  const flags = entry?.["flags"];
  if (
    entry === undefined ||
    (isRecord(flags) && flags["incomplete"] !== undefined)
  ) {
    throw new BootError(
      "SOURCE_MISSING",
      `the layers of the image ${image} are not all in the store: ${id} is ${entry === undefined ? "absent" : "incomplete"}`,
      { hint: PULL_AGAIN },
    );
  }
  const parent = entry["parent"];
  return {
    id,
    diffId: String(entry["diff-digest"]),
    sizeBytes: entry["diff-size"],
    parent: parent === "" ? undefined : parent,
  };
}

function hexOf(id: ImageId): string {
  return id.slice("sha256:".length);
}

function isDigest(value: unknown): value is string {
  return typeof value === "string" && isImageId(value);
}
