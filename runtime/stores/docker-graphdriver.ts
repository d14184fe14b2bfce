import path from "node:path";
import { isSubvolume } from "../btrfs.ts";
import { BootError } from "../host/errors.ts";
import { isImageId, type ImageId, type ImageReference } from "../image-ref.ts";
import { isRecord } from "../json-values.ts";
import { shorten } from "../shorten.ts";
import { chainIds, sha256 } from "./chain-id.ts";
import { imageMissing } from "./image-missing.ts";
import { matchPrefix } from "./match-prefix.ts";
import {
  damaged,
  findDirectory,
  follow,
  isPresent,
  parseJson,
  PULL_AGAIN,
  readIfPresent,
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
 * Docker's classic image store with the btrfs graph driver: four files are read for a tag, whatever
 * the size of the store.
 *
 * `image/btrfs/repositories.json` maps a name to an image ID; `imagedb/content/sha256/<ID>` is the
 * image's configuration with its diff IDs; `layerdb/sha256/<chain ID>/{diff,cache-id}` lead to the
 * subvolume `btrfs/subvolumes/<cache ID>`. Formats: moby's image/store.go, layer/filestore.go and
 * reference/store.go (https://github.com/moby/moby/tree/v28.5.2).
 */
export function openDockerGraphdriver(location: StoreLocation): ImageStore {
  return {
    find: (reference) => findImage(location, reference),
    listLayers: (id) => listLayers(location, id),
  };
}

const METADATA = "image/btrfs";
/** A hundred thousand tags have half of it. */
const MAX_REPOSITORIES_BYTES = 32 * 1024 * 1024;
const MAX_CONFIG_BYTES = 16 * 1024 * 1024;
const MAX_ID_FILE_BYTES = 4096;
/** 64 hex digits, or 25 base-36 digits for the layers that BuildKit makes. */
const CACHE_ID = /^(?:[0-9a-f]{64}|[0-9a-z]{25})$/;

/** Familiar repository -> reference (`repo:tag` or `repo@digest`) -> image ID. */
type Repositories = ReadonlyMap<string, ReadonlyMap<string, ImageId>>;

function findImage(
  location: StoreLocation,
  reference: ImageReference,
): FoundImage {
  const id = findImageId(location, reference);
  const { diffIds, architecture } = readConfig(location, id);
  const source = findSource(location, id, diffIds);
  return { id, source, layerCount: diffIds.length, architecture };
}

function findImageId(
  location: StoreLocation,
  reference: ImageReference,
): ImageId {
  if (reference.kind === "id") {
    const file = configFile(reference.id);
    if (!isPresent(location, file)) {
      throw imageMissing(reference, location.path, []);
    }
    return reference.id;
  }
  const repositories = readRepositories(location);
  const { repository, tag, digest } = reference;
  const key =
    digest === undefined ? `${repository}:${tag}` : `${repository}@${digest}`;
  const named = repositories.get(repository)?.get(key);
  if (named !== undefined) return named;

  const byPrefix = matchPrefix(reference, location.path, () =>
    listImageIds(location),
  );
  if (byPrefix !== undefined) return byPrefix;
  const names = [...repositories.values()].flatMap((refs) => [...refs.keys()]);
  throw imageMissing(reference, location.path, names);
}

function readRepositories(location: StoreLocation): Repositories {
  const file = path.join(METADATA, "repositories.json");
  const parsed = readJson(location, file, MAX_REPOSITORIES_BYTES);
  const all = isRecord(parsed) ? parsed["Repositories"] : undefined;
  if (!isRecord(all)) {
    throw damaged(location, file, `it has no "Repositories"`);
  }
  const repositories = new Map<string, ReadonlyMap<string, ImageId>>();
  for (const [repository, references] of Object.entries(all)) {
    if (!isRecord(references)) {
      throw damaged(
        location,
        file,
        `"${shorten(repository)}" has no references`,
      );
    }
    const ids = new Map<string, ImageId>();
    for (const [reference, id] of Object.entries(references)) {
      if (typeof id !== "string" || !isImageId(id)) {
        throw damaged(
          location,
          file,
          `"${shorten(reference)}" has no image ID`,
        );
      }
      ids.set(reference, id);
    }
    repositories.set(repository, ids);
  }
  return repositories;
}

function listImageIds(location: StoreLocation): ImageId[] {
  const directory = follow(location, METADATA, "imagedb/content/sha256");
  if (directory === undefined) return [];
  return location.host.files
    .namesIn(directory)
    .map((hex) => `sha256:${hex}`)
    .filter(isImageId);
}

function readConfig(
  location: StoreLocation,
  id: ImageId,
): { diffIds: readonly string[]; architecture: string | undefined } {
  const file = configFile(id);
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
  if (diffIds.length === 0) {
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

function findSource(
  location: StoreLocation,
  id: ImageId,
  diffIds: readonly string[],
): string {
  const chain = chainIds(diffIds).at(-1) ?? "";
  const { cacheId } = readLayer(location, id, chain, diffIds.at(-1) ?? "");
  const source = path.join(
    findDirectory(location, "btrfs/subvolumes"),
    cacheId,
  );
  if (!isSubvolume(location.host, path.join(location.topLevel, source))) {
    throw new BootError(
      "SOURCE_MISSING",
      `the image ${id} has its top layer at ${source}, but there is no subvolume`,
      { hint: PULL_AGAIN },
    );
  }
  return source;
}

/** The base layer first. @throws BootError */
function listLayers(location: StoreLocation, id: ImageId): StoredLayer[] {
  const { diffIds } = readConfig(location, id);
  return chainIds(diffIds).map((chain, index) => {
    const layer = readLayer(location, id, chain, diffIds[index] ?? "");
    const file = path.join(layerDirectory(chain), "size");
    const size = readLayerFile(location, file, id);
    if (!/^[0-9]{1,15}$/.test(size)) {
      throw damaged(location, file, `"${shorten(size)}" is no size`);
    }
    return { ...layer, sizeBytes: Number(size) };
  });
}

function readLayer(
  location: StoreLocation,
  id: ImageId,
  chainId: string,
  diffId: string,
): Pick<StoredLayer, "chainId" | "diffId" | "cacheId"> {
  const directory = layerDirectory(chainId);
  const diff = readLayerFile(location, path.join(directory, "diff"), id);
  if (diff !== diffId) {
    throw damaged(
      location,
      path.join(directory, "diff"),
      `it says ${shorten(diff)}, the image's layer is ${diffId}`,
    );
  }
  const cacheFile = path.join(directory, "cache-id");
  const cacheId = readLayerFile(location, cacheFile, id);
  if (!CACHE_ID.test(cacheId)) {
    throw damaged(location, cacheFile, `"${shorten(cacheId)}" is no cache ID`);
  }
  return { chainId, diffId, cacheId };
}

function layerDirectory(chainId: string): string {
  return path.join(METADATA, "layerdb/sha256", chainId.slice("sha256:".length));
}

function configFile(id: ImageId): string {
  return path.join(
    METADATA,
    "imagedb/content/sha256",
    id.slice("sha256:".length),
  );
}

function readLayerFile(
  location: StoreLocation,
  file: string,
  id: ImageId,
): string {
  const bytes = readIfPresent(location, file, MAX_ID_FILE_BYTES);
  if (bytes === undefined) {
    throw new BootError(
      "SOURCE_MISSING",
      `the layers of the image ${id} are not in the store: ${path.join(location.path, file)} is absent`,
      { hint: PULL_AGAIN },
    );
  }
  return bytes.toString("utf8");
}

function isDigest(value: unknown): value is string {
  return typeof value === "string" && isImageId(value);
}
