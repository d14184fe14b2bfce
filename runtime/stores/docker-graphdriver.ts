import path from "node:path";
import { BootError } from "../base/errors.ts";
import {
  isImageId,
  type ImageId,
  type ImageReference,
} from "../images/image-ref.ts";
import { isRecord } from "../base/json-values.ts";
import { shorten } from "../base/abbreviate-ids.ts";
import { chainIds } from "../images/chain-id.ts";
import { pickRepository } from "./formats/docker-repositories.ts";
import { MAX_CONFIG_BYTES, readImageConfig } from "./image-config.ts";
import { imageMissing, matchPrefix } from "../images/image-missing.ts";
import { requireSubvolume } from "./require-subvolume.ts";
import {
  damaged,
  findDirectory,
  isPresent,
  namesIn,
  parseJson,
  PULL_AGAIN,
  readIfPresent,
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
 * Docker's classic image store, of which the btrfs graph driver's images can be roots: four files are
 * read for a tag, whatever the size of the store.
 *
 * `image/<driver>/repositories.json` maps a name to an image ID; `imagedb/content/sha256/<ID>` is the
 * image's configuration with its diff IDs; `layerdb/sha256/<chain ID>/{diff,cache-id}` lead to the
 * subvolume `btrfs/subvolumes/<cache ID>`. Formats: moby's image/store.go, layer/filestore.go and
 * reference/store.go (https://github.com/moby/moby/tree/v28.5.2).
 *
 * @param driver as Docker calls it: `btrfs`, `overlay2`
 */
export function openDockerGraphdriver(
  location: StoreLocation,
  driver: string,
): StoreReader {
  const store = { location, metadata: `image/${driver}` };
  const unsupported = () =>
    driver === "btrfs"
      ? undefined
      : storeUnsupported(location.path, { engine: "docker", driver });
  return {
    kind: "graphdriver",
    name: `Docker's ${driver} driver`,
    unsupported,
    hasImages: () => listImageIds(store).length > 0,
    lookUp: (reference) => readImage(store, findImageId(store, reference)),
    findSource: (image) => {
      const error = unsupported();
      if (error !== undefined) throw error;
      return findSource(store, image);
    },
    listLayers: (image) => listLayers(store, image),
  };
}

/** The store, and the directory in it with a driver's metadata. */
interface Graphdriver {
  readonly location: StoreLocation;
  readonly metadata: string;
}

/** A hundred thousand tags have half of it. */
const MAX_REPOSITORIES_BYTES = 32 * 1024 * 1024;

const MAX_ID_FILE_BYTES = 4096;

/** 64 hex digits, or 25 base-36 digits for the layers that BuildKit makes. */
const CACHE_ID = /^(?:[0-9a-f]{64}|[0-9a-z]{25})$/;

/** Familiar repository -> reference (`repo:tag` or `repo@digest`) -> image ID; unchecked below the first level. */
type Repositories = Readonly<Record<string, unknown>>;

function findImageId(store: Graphdriver, reference: ImageReference): ImageId {
  const { location } = store;
  if (reference.kind === "id") {
    const file = configFile(store, reference.id);
    if (!isPresent(location, file)) {
      throw imageMissing(reference, location.path, []);
    }
    return reference.id;
  }
  const { repository, tag, digest } = reference;
  const key =
    digest === undefined ? `${repository}:${tag}` : `${repository}@${digest}`;
  const bytes = readStoreFile(
    location,
    repositoriesFile(store),
    MAX_REPOSITORIES_BYTES,
  );
  const only = pickRepository(bytes.toString("utf8"), repository);
  const quickly = findNamed(store, only, repository, key);
  if (quickly !== undefined) return quickly;

  const repositories = parseRepositories(store, bytes);
  const named = findNamed(store, repositories, repository, key);
  if (named !== undefined) return named;

  const byPrefix = matchPrefix(reference, location.path, () =>
    listImageIds(store),
  );
  if (byPrefix !== undefined) return byPrefix;
  const names = Object.values(repositories).flatMap((references) =>
    isRecord(references) ? Object.keys(references) : [],
  );
  throw imageMissing(reference, location.path, names);
}

/** There may be many: none but the one that is asked for is looked at. */
function findNamed(
  store: Graphdriver,
  repositories: Repositories,
  repository: string,
  key: string,
): ImageId | undefined {
  const refuse = (what: string) =>
    damaged(store.location, repositoriesFile(store), what);
  if (!Object.hasOwn(repositories, repository)) return undefined;
  const references = repositories[repository];
  if (!isRecord(references)) {
    throw refuse(`"${shorten(repository)}" has no references`);
  }
  if (!Object.hasOwn(references, key)) return undefined;
  const id = references[key];
  if (typeof id === "string" && isImageId(id)) return id;
  throw refuse(`"${shorten(key)}" has no image ID`);
}

function parseRepositories(store: Graphdriver, bytes: Buffer): Repositories {
  const { location } = store;
  const file = repositoriesFile(store);
  const parsed = parseJson(location, file, bytes);
  const all = isRecord(parsed) ? parsed["Repositories"] : undefined;
  if (isRecord(all)) return all;
  throw damaged(location, file, `it has no "Repositories"`);
}

function repositoriesFile({ metadata }: Graphdriver): string {
  return path.join(metadata, "repositories.json");
}

function listImageIds({ location, metadata }: Graphdriver): ImageId[] {
  return namesIn(location, path.join(metadata, "imagedb/content/sha256"))
    .map((hex) => `sha256:${hex}`)
    .filter(isImageId);
}

function readImage(store: Graphdriver, id: ImageId): StoredImage {
  const file = configFile(store, id);
  const bytes = readStoreFile(store.location, file, MAX_CONFIG_BYTES);
  return readImageConfig(store.location, { id, configId: id, file }, bytes);
}

function findSource(store: Graphdriver, { id, diffIds }: StoredImage): string {
  const { location } = store;
  const chain = chainIds(diffIds).at(-1) ?? "";
  const { cacheId } = readLayer(store, id, chain, diffIds.at(-1) ?? "");
  const directory = findDirectory(location, "btrfs/subvolumes");
  return requireSubvolume(location, id, path.join(directory, cacheId));
}

function listLayers(
  store: Graphdriver,
  { id, diffIds }: StoredImage,
): StoredLayer[] {
  return chainIds(diffIds).map((chain, index) => {
    const layer = readLayer(store, id, chain, diffIds[index] ?? "");
    const file = path.join(layerDirectory(store, chain), "size");
    const size = readLayerFile(store.location, file, id);
    if (!/^[0-9]{1,15}$/.test(size)) {
      throw damaged(store.location, file, `"${shorten(size)}" is no size`);
    }
    return { ...layer, sizeBytes: Number(size) };
  });
}

function readLayer(
  store: Graphdriver,
  id: ImageId,
  chainId: string,
  diffId: string,
): Pick<StoredLayer, "chainId" | "diffId" | "cacheId"> {
  const { location } = store;
  const directory = layerDirectory(store, chainId);
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

function layerDirectory({ metadata }: Graphdriver, chainId: string): string {
  return path.join(metadata, "layerdb/sha256", chainId.slice("sha256:".length));
}

function configFile({ metadata }: Graphdriver, id: ImageId): string {
  return path.join(
    metadata,
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
