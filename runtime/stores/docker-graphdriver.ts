import { shorten } from "../base/shorten.ts";
import type { BootError } from "../base/errors.ts";
import { isRecord } from "../base/json-values.ts";
import { chainIds, readImageConfig } from "./image-config.ts";
import {
  hexOf,
  isImageId,
  type ImageId,
  type ImageName,
} from "../images/image-ref.ts";
import { pickRepository } from "./formats/docker-repositories.ts";
import { CACHE_ID } from "./formats/overlay2-links.ts";
import { storeUnsupported } from "./formats/store-unsupported.ts";
import { findOverlay2Tree } from "./overlay2.ts";
import {
  sourceMissing,
  type StoreFile,
  type StoreFiles,
} from "./store-files.ts";
import { requireSubvolume } from "./stored-tree.ts";
import type {
  StoredImage,
  StoredLayer,
  StoredTree,
  StoreReader,
  TreeKind,
} from "./store.ts";

/** A hundred thousand tags have half of it. */
const MAX_REPOSITORIES_BYTES = 32 * 1024 * 1024;

const MAX_ID_FILE_BYTES = 4096;

/** Of each driver, as far as roots can be made of them. */
const TREE_KINDS: Readonly<Record<string, readonly TreeKind[]>> = {
  btrfs: ["subvolume"],
  overlay2: ["layers"],
};

/** Familiar repository -> reference (`repo:tag` or `repo@digest`) -> image ID; unchecked below the first level. */
type Repositories = Readonly<Record<string, unknown>>;

/**
 * Docker's classic image store, of which the images of the graph drivers btrfs and overlay2 can be roots:
 * four files are read for a tag, whatever the size of the store, and those of overlay2's layers.
 *
 * `image/<driver>/repositories.json` maps a name to an image ID; `imagedb/content/sha256/<ID>` is the
 * image's configuration with its diff IDs; `layerdb/sha256/<chain ID>/{diff,cache-id}` lead to the
 * subvolume `btrfs/subvolumes/<cache ID>`, or to `overlay2/<cache ID>`. Formats: moby's image/store.go, layer/filestore.go and
 * reference/store.go (https://github.com/moby/moby/tree/v28.5.2).
 */
export class DockerGraphdriver implements StoreReader {
  readonly kind = "graphdriver";
  readonly name: string;
  readonly #store: StoreFiles;
  readonly #driver: string;
  readonly #repositories: StoreFile;

  /** @param driver as Docker calls it: `btrfs`, `overlay2` */
  constructor(store: StoreFiles, driver: string) {
    this.name = `Docker's ${driver} driver`;
    this.#store = store;
    this.#driver = driver;
    this.#repositories = this.#file("repositories.json");
  }

  treeKinds(): readonly TreeKind[] {
    return TREE_KINDS[this.#driver] ?? [];
  }

  explainUnsupported(missing?: BootError): BootError {
    const hasLayers = this.treeKinds().includes("layers");
    return storeUnsupported(
      this.#store.path,
      "docker",
      this.name,
      hasLayers,
      missing,
    );
  }

  listIds(): ImageId[] {
    return this.#store
      .namesIn(`image/${this.#driver}/imagedb/content/sha256`)
      .map((hex) => `sha256:${hex}`)
      .filter(isImageId);
  }

  listNames(): string[] {
    const bytes = this.#repositories.read(MAX_REPOSITORIES_BYTES);
    return Object.values(this.#parseRepositories(bytes)).flatMap(
      (references) => (isRecord(references) ? Object.keys(references) : []),
    );
  }

  findNamed({ repository, tag, digest }: ImageName): ImageId | undefined {
    const key =
      digest === undefined ? `${repository}:${tag}` : `${repository}@${digest}`;
    const bytes = this.#repositories.read(MAX_REPOSITORIES_BYTES);
    const only = pickRepository(bytes.toString("utf8"), repository);
    return (
      this.#findNamed(only, repository, key) ??
      this.#findNamed(this.#parseRepositories(bytes), repository, key)
    );
  }

  readImage(id: ImageId): StoredImage {
    return readImageConfig(
      this.#file(`imagedb/content/sha256/${hexOf(id)}`),
      id,
    );
  }

  findTree(image: StoredImage): StoredTree {
    const { id, diffIds } = image;
    const chain = chainIds(diffIds).at(-1) ?? "";
    const { cacheId } = this.#readLayer(id, chain, diffIds.at(-1) ?? "");
    if (this.#driver === "overlay2") {
      return findOverlay2Tree(this.#store, image, cacheId);
    }
    // Other drivers have none.
    const subvolumes = `${this.#driver}/subvolumes`;
    return requireSubvolume(this.#store, id, subvolumes, cacheId);
  }

  listLayers({ id, diffIds }: StoredImage): StoredLayer[] {
    return chainIds(diffIds).map((chain, index) => {
      const layer = this.#readLayer(id, chain, diffIds[index] ?? "");
      const file = this.#layerFile(chain, "size");
      const size = readLayerFile(file, id);
      if (!/^[0-9]{1,15}$/.test(size)) {
        throw file.damaged(`"${shorten(size)}" is not a size`);
      }
      return { ...layer, sizeBytes: Number(size) };
    });
  }

  /** There may be many: none but the one that is asked for is looked at. */
  #findNamed(
    repositories: Repositories,
    repository: string,
    key: string,
  ): ImageId | undefined {
    if (!Object.hasOwn(repositories, repository)) return undefined;
    const references = repositories[repository];
    if (!isRecord(references)) {
      const what = `"${shorten(repository)}" has no references`;
      throw this.#repositories.damaged(what);
    }
    if (!Object.hasOwn(references, key)) return undefined;
    const id = references[key];
    if (isImageId(id)) return id;
    throw this.#repositories.damaged(`"${shorten(key)}" has no image ID`);
  }

  #parseRepositories(bytes: Buffer): Repositories {
    const parsed = this.#repositories.parseJson(bytes);
    const all = isRecord(parsed) ? parsed["Repositories"] : undefined;
    if (isRecord(all)) return all;
    throw this.#repositories.damaged(`it has no "Repositories"`);
  }

  #readLayer(
    id: ImageId,
    chainId: string,
    diffId: string,
  ): Omit<StoredLayer, "sizeBytes"> {
    const diffFile = this.#layerFile(chainId, "diff");
    const diff = readLayerFile(diffFile, id);
    if (diff !== diffId) {
      const what = `it says ${shorten(diff)}, the image's layer is ${diffId}`;
      throw diffFile.damaged(what);
    }
    const cacheFile = this.#layerFile(chainId, "cache-id");
    const cacheId = readLayerFile(cacheFile, id);
    if (!CACHE_ID.test(cacheId)) {
      throw cacheFile.damaged(`"${shorten(cacheId)}" is not a cache ID`);
    }
    return { chainId, diffId, cacheId };
  }

  #layerFile(chainId: string, name: string): StoreFile {
    return this.#file(`layerdb/sha256/${hexOf(chainId)}/${name}`);
  }

  /** @param name relative to the driver's metadata */
  #file(name: string): StoreFile {
    return this.#store.file(`image/${this.#driver}/${name}`);
  }
}

/** @throws BootError SOURCE_MISSING where the image's layers are not in the store, STORE_DAMAGED */
function readLayerFile(file: StoreFile, id: ImageId): string {
  const bytes = file.readIfPresent(MAX_ID_FILE_BYTES);
  if (bytes !== undefined) return bytes.toString("utf8");
  throw sourceMissing(
    `the layers of the image ${id} are not in the store`,
    `: ${file.path} is absent`,
    file.place,
  );
}
