import { listNames } from "../base/list-names.ts";
import path from "node:path";
import {
  goArchitecture,
  formatImageReference,
  isImageId,
  type ImageId,
  type ImageReference,
} from "../images/image-ref.ts";
import { BootError } from "../base/errors.ts";
import { isCount, isRecord } from "../base/json-values.ts";
import { shorten } from "../base/abbreviate-ids.ts";
import { chainIds } from "../images/chain-id.ts";
import { MAX_CONFIG_BYTES, readImageConfig } from "./image-config.ts";
import { imageMissing, matchPrefix } from "../images/image-missing.ts";
import {
  parsePodmanImages,
  type PodmanImage,
} from "./formats/podman-images.ts";
import { matchName, matchNameEnd } from "./formats/podman-names.ts";
import { requireSubvolume } from "./require-subvolume.ts";
import {
  damaged,
  findDirectory,
  PULL_AGAIN,
  readJson,
  readStoreFile,
} from "./store-files.ts";
import type {
  StoredImage,
  StoredLayer,
  StoreLocation,
  StoreReader,
} from "./store.ts";
import { storeUnsupported } from "./formats/store-unsupported.ts";

/**
 * Podman's image store, containers-storage, of which the btrfs driver's images can be roots: three
 * files are read for an image, whatever the size of the store.
 *
 * `<driver>-images/images.json` has each image's ID, names and top layer;
 * `<driver>-images/<ID>/=<base64 of sha256:ID>` is its configuration with the diff IDs;
 * `<driver>-layers/layers.json` leads from the top layer down to the base. The top layer's tree is the
 * subvolume `btrfs/subvolumes/<layer ID>`. Formats: images.go and layers.go of containers-storage
 * (https://github.com/containers/storage/tree/v1.57.2).
 *
 * Not read: additional image stores (`additionalimagestores`), which may lie on another filesystem.
 *
 * @param driver as Podman calls it: `btrfs`, `overlay`
 */
export function openPodman(
  location: StoreLocation,
  driver: string,
): StoreReader {
  const imagesDirectory = `${driver}-images`;
  let images: readonly PodmanImage[] | undefined;
  const store = {
    location,
    imagesDirectory,
    readImages: () => (images ??= readImages(location, imagesDirectory)),
    layersFile: `${driver}-layers/layers.json`,
  };
  const unsupported = () =>
    driver === "btrfs"
      ? undefined
      : storeUnsupported(location.path, { engine: "podman", driver });
  return {
    kind: "podman",
    name: `Podman's ${driver} driver`,
    unsupported,
    hasImages: () => store.readImages().length > 0,
    lookUp: (reference) => lookUp(store, reference),
    findSource: (image) => {
      const error = unsupported();
      if (error !== undefined) throw error;
      return findSource(store, image);
    },
    listLayers: (image) => listLayers(store, image),
  };
}

/** The store, and where in it a driver's metadata are. */
interface PodmanStore {
  readonly location: StoreLocation;
  readonly imagesDirectory: string;
  /** Once. */
  readonly readImages: () => readonly PodmanImage[];
  readonly layersFile: string;
}

const SUBVOLUMES = "btrfs/subvolumes";

/** Some ten thousand images or layers. */
const MAX_LIST_BYTES = 64 * 1024 * 1024;

const MAX_INDEX_BYTES = 4 * 1024 * 1024;

const LAYER_ID = /^[0-9a-f]{64}$/;

/** A layer that layers.json has. */
interface PodmanLayer {
  readonly id: string;
  readonly diffId: string;
  readonly sizeBytes: unknown;
}

function lookUp(store: PodmanStore, reference: ImageReference): StoredImage {
  const images = store.readImages();
  const named = findEntry(store, reference, images);
  const { id } = named.isList
    ? findInList(store, reference, named, images)
    : named;
  const name = `=${Buffer.from(id).toString("base64")}`;
  const file = path.join(store.imagesDirectory, hexOf(id), name);
  const bytes = readStoreFile(store.location, file, MAX_CONFIG_BYTES);
  return readImageConfig(store.location, { id, configId: id, file }, bytes);
}

function findSource(store: PodmanStore, image: StoredImage): string {
  const { location } = store;
  const top = readLayers(store, image).at(-1)?.id ?? "";
  const directory = findDirectory(location, SUBVOLUMES);
  return requireSubvolume(location, image.id, path.join(directory, top));
}

function readImages(location: StoreLocation, directory: string): PodmanImage[] {
  const file = path.join(directory, "images.json");
  return parsePodmanImages(readJson(location, file, MAX_LIST_BYTES), (what) =>
    damaged(location, file, what),
  );
}

function findEntry(
  { location }: PodmanStore,
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
  store: PodmanStore,
  reference: ImageReference,
  list: PodmanImage,
  images: readonly PodmanImage[],
): PodmanImage {
  const { location } = store;
  const machine = goArchitecture(location.host);
  const entries = readList(store, list);
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
      cause: new Error(`it has: ${listNames(platforms, 10)}`),
      hint: "Build it for this machine's platform, or name one of the images by its ID.",
    },
  );
}

/** @see https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md */
function readList(
  { location, imagesDirectory }: PodmanStore,
  { id }: PodmanImage,
): { digest: string; os: string; architecture: string }[] {
  const file = path.join(imagesDirectory, hexOf(id), "manifest");
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

function listLayers(store: PodmanStore, image: StoredImage): StoredLayer[] {
  const chains = chainIds(image.diffIds);
  return readLayers(store, image).map((layer, index) => {
    // Go leaves out what is 0.
    const sizeBytes = layer.sizeBytes ?? 0;
    if (!isCount(sizeBytes)) {
      const what = `the layer ${layer.id} has no size`;
      throw damaged(store.location, store.layersFile, what);
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
  store: PodmanStore,
  { id, diffIds }: StoredImage,
): PodmanLayer[] {
  const { location, layersFile } = store;
  const parsed = readJson(location, layersFile, MAX_LIST_BYTES);
  if (!Array.isArray(parsed)) {
    throw damaged(location, layersFile, "it is no list of layers");
  }
  const entries = new Map<unknown, Record<string, unknown>>();
  for (const entry of parsed.filter(isRecord)) entries.set(entry["id"], entry);

  const layers: PodmanLayer[] = [];
  let next: unknown = store
    .readImages()
    .find((entry) => entry.id === id)?.topLayer;
  for (const diffId of diffIds.toReversed()) {
    const layer = readLayer(store, id, next, entries);
    if (layer.diffId !== diffId) {
      throw damaged(
        location,
        layersFile,
        `the layer ${layer.id} is ${shorten(layer.diffId)}, the image's layer is ${diffId}`,
      );
    }
    layers.push(layer);
    next = layer.parent;
  }
  if (next !== undefined) {
    throw damaged(
      location,
      layersFile,
      `below the ${String(diffIds.length)} layers of the image ${id} is another one`,
    );
  }
  return layers.toReversed();
}

function readLayer(
  { location, layersFile }: PodmanStore,
  image: ImageId,
  id: unknown,
  entries: ReadonlyMap<unknown, Record<string, unknown>>,
): PodmanLayer & { readonly parent: unknown } {
  if (typeof id !== "string" || !LAYER_ID.test(id)) {
    throw damaged(
      location,
      layersFile,
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
  const { parent, "diff-digest": diffId } = entry;
  return {
    id,
    diffId: typeof diffId === "string" ? diffId : "of no digest",
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
