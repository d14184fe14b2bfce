import { shorten, listNames } from "../base/shorten.ts";
import { BootError } from "../base/errors.ts";
import { isCount, isRecord } from "../base/json-values.ts";
import { chainIds, readImageConfig } from "./image-config.ts";
import {
  formatImageReference,
  goArchitecture,
  hexOf,
  isImageId,
  type ImageId,
  type ImageName,
  type ImageReference,
} from "../images/image-ref.ts";
import {
  matchName,
  matchNameEnd,
  parsePodmanImages,
  type PodmanImage,
} from "./formats/podman-images.ts";
import { storeUnsupported } from "./formats/store-unsupported.ts";
import {
  sourceMissing,
  type StoreFile,
  type StoreFiles,
} from "./store-files.ts";
import { requireLayers, requireSubvolume } from "./stored-tree.ts";
import type {
  LayeredTree,
  StoredImage,
  StoredLayer,
  StoredTree,
  StoreReader,
  TreeKind,
} from "./store.ts";

/** Some ten thousand images or layers. */
const MAX_LIST_BYTES = 64 * 1024 * 1024;
const MAX_INDEX_BYTES = 4 * 1024 * 1024;
const MAX_PLATFORMS_LISTED = 10;

/** Of each driver, as far as roots can be made of them. */
const TREE_KINDS: Readonly<Record<string, readonly TreeKind[]>> = {
  btrfs: ["subvolume"],
  overlay: ["layers"],
};

const LAYER_ID = /^[0-9a-f]{64}$/;

/** A layer that layers.json has. */
interface PodmanLayer {
  readonly id: string;
  readonly diffId: string;
  readonly sizeBytes: unknown;
  readonly created: unknown;
}

/**
 * Podman's image store, containers-storage, of which the images of the drivers btrfs and overlay can be
 * roots: three files are read for an image, whatever the size of the store.
 *
 * `<driver>-images/images.json` has each image's ID, names and leaf layer;
 * `<driver>-images/<ID>/=<base64 of sha256:ID>` is its configuration with the diff IDs;
 * `<driver>-layers/layers.json` leads from the leaf layer down to the base. The leaf layer's tree is the
 * subvolume `btrfs/subvolumes/<layer ID>`, or each layer's files are in `overlay/<layer ID>/diff`. Formats: images.go and layers.go of containers-storage
 * (https://github.com/containers/storage/tree/v1.57.2).
 *
 * Not read: additional image stores (`additionalimagestores`), which may lie on another filesystem.
 */
export class PodmanStore implements StoreReader {
  readonly kind = "podman";
  readonly name: string;
  readonly #store: StoreFiles;
  readonly #driver: string;
  readonly #layers: StoreFile;
  #known: readonly PodmanImage[] | undefined;

  /** @param driver as Podman calls it: `btrfs`, `overlay` */
  constructor(store: StoreFiles, driver: string) {
    this.name = `Podman's ${driver} driver`;
    this.#store = store;
    this.#driver = driver;
    this.#layers = store.file(`${driver}-layers/layers.json`);
  }

  treeKinds(): readonly TreeKind[] {
    return TREE_KINDS[this.#driver] ?? [];
  }

  explainUnsupported(missing?: BootError): BootError {
    const hasLayers = this.treeKinds().includes("layers");
    return storeUnsupported(
      this.#store.path,
      "podman",
      this.name,
      hasLayers,
      missing,
    );
  }

  listIds(): ImageId[] {
    return this.#images().map(({ id }) => id);
  }

  listNames(): string[] {
    return this.#images().flatMap(({ names }) => names);
  }

  findNamed(name: ImageName): ImageId | undefined {
    return matchName(name, this.#images())?.id;
  }

  findNamedLast(name: ImageName): ImageId | undefined {
    return matchNameEnd(name, this.#images())?.id;
  }

  readImage(id: ImageId, reference: ImageReference): StoredImage {
    const list = this.#find(id)?.isList === true;
    const own = list ? this.#findInList(id, reference) : id;
    const config = `=${Buffer.from(own).toString("base64")}`;
    return readImageConfig(this.#imageFile(own, config), own);
  }

  findTree(image: StoredImage): StoredTree {
    const layers = this.#readLayers(image);
    if (this.#driver === "overlay") return this.#findLayers(image.id, layers);
    const leaf = layers.at(-1)?.id ?? "";
    // Other drivers have none.
    const subvolumes = `${this.#driver}/subvolumes`;
    return requireSubvolume(this.#store, image.id, subvolumes, leaf);
  }

  /** @param layers the base layer first */
  #findLayers(image: ImageId, layers: readonly PodmanLayer[]): LayeredTree {
    const found = layers.toReversed().map(({ id, created }) => {
      if (typeof created !== "string" || !/^[0-9T:.Z+-]{20,40}$/.test(created))
        throw this.#layers.damaged(`the layer ${id} has no time`);
      const composefs = `${this.#driver}/${id}/composefs-data`;
      if (this.#store.file(composefs).isPresent()) {
        throw this.#composefsUnsupported(image);
      }
      // Its ID is that of what is in it: one that is pulled anew has the same.
      const key = `${id}-${created.replaceAll(/\W/g, "")}`;
      return { directory: `${id}/diff`, key };
    });
    return requireLayers(this.#layers, image, this.#driver, found);
  }

  #composefsUnsupported(image: ImageId): BootError {
    return new BootError(
      "STORE_UNSUPPORTED",
      `the image ${image} in the store ${this.#store.path} has layers of composefs, whose files have no names there`,
      {
        hint: "In a running system: take use_composefs out of /etc/containers/storage.conf; remove the image and pull it again.",
      },
    );
  }

  listLayers(image: StoredImage): StoredLayer[] {
    const chains = chainIds(image.diffIds);
    return this.#readLayers(image).map(({ id, diffId, sizeBytes }, index) => {
      // Go leaves out what is 0.
      const size = sizeBytes ?? 0;
      if (!isCount(size)) {
        throw this.#layers.damaged(`the layer ${id} has no size`);
      }
      const chainId = chains[index] ?? "";
      return { chainId, diffId, cacheId: id, sizeBytes: size };
    });
  }

  #images(): readonly PodmanImage[] {
    const file = this.#store.file(`${this.#driver}-images/images.json`);
    return (this.#known ??= parsePodmanImages(
      file.readJson(MAX_LIST_BYTES),
      (what) => file.damaged(what),
    ));
  }

  #find(id: ImageId): PodmanImage | undefined {
    return this.#images().find((image) => image.id === id);
  }

  /** The first image in a list that is for this machine, as Podman takes it. */
  #findInList(list: ImageId, reference: ImageReference): ImageId {
    const machine = goArchitecture(this.#store.host);
    const entries = this.#readList(list);
    const fitting = entries.find(
      ({ os, architecture }) => os === "linux" && architecture === machine,
    );
    const found = this.#images().find(
      ({ isList, manifestDigests }) =>
        !isList && manifestDigests.includes(fitting?.digest ?? ""),
    );
    if (found !== undefined) return found.id;
    const platforms = entries.map(({ os, architecture }) =>
      shorten(`${os}/${architecture}`),
    );
    throw new BootError(
      "IMAGE_MISSING",
      `${formatImageReference(reference)} is a list of images for several platforms, and the one for linux/${machine} is not in the store ${this.#store.path}`,
      {
        cause: new Error(
          `it has: ${listNames(platforms, MAX_PLATFORMS_LISTED)}`,
        ),
        hint: "Build it for this machine's platform, or name one of the images by its ID.",
      },
    );
  }

  /** @see https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md */
  #readList(
    id: ImageId,
  ): { digest: string; os: string; architecture: string }[] {
    const file = this.#imageFile(id, "manifest");
    const index = file.readJson(MAX_INDEX_BYTES);
    const manifests = isRecord(index) ? index["manifests"] : undefined;
    if (!Array.isArray(manifests)) throw file.damaged(`it has no "manifests"`);
    return manifests.map((entry: unknown) => {
      const { digest, platform } = isRecord(entry) ? entry : {};
      if (!isImageId(digest) || !isRecord(platform)) {
        throw file.damaged("an image in it has no digest or platform");
      }
      const { os, architecture } = platform;
      return { digest, os: String(os), architecture: String(architecture) };
    });
  }

  /**
   * The base layer first: from the leaf layer down, one for each diff ID, which also bounds what loops.
   * @throws BootError SOURCE_MISSING, STORE_DAMAGED
   */
  #readLayers({ id: image, diffIds }: StoredImage): PodmanLayer[] {
    const parsed = this.#layers.readJson(MAX_LIST_BYTES);
    if (!Array.isArray(parsed)) {
      throw this.#layers.damaged("it is not a list of layers");
    }
    const entries = new Map<unknown, Record<string, unknown>>(
      parsed.filter(isRecord).map((entry) => [entry["id"], entry]),
    );
    const layers: PodmanLayer[] = [];
    let id: unknown = this.#find(image)?.leafLayer;
    for (const diffId of diffIds.toReversed()) {
      if (typeof id !== "string" || !LAYER_ID.test(id)) {
        throw this.#layers.damaged(
          `a layer of the image ${image} has the ID "${shorten(String(id))}"`,
        );
      }
      const entry = entries.get(id);
      const flags = entry?.["flags"];
      const isIncomplete = isRecord(flags) && flags["incomplete"] !== undefined;
      if (entry === undefined || isIncomplete) {
        throw sourceMissing(
          `the layers of the image ${image} are not all in the store`,
          `: ${id} is ${isIncomplete ? "incomplete" : "absent"}`,
        );
      }
      const { parent, created, "diff-digest": own } = entry;
      if (own !== diffId) {
        throw this.#layers.damaged(
          `the layer ${id} is ${typeof own === "string" ? shorten(own) : "of no digest"}, the image's layer is ${diffId}`,
        );
      }
      layers.push({ id, diffId, sizeBytes: entry["diff-size"], created });
      id = parent === "" ? undefined : parent;
    }
    if (id === undefined) return layers.toReversed();
    throw this.#layers.damaged(
      `the image ${image} has another layer below its ${String(diffIds.length)} layers`,
    );
  }

  #imageFile(id: ImageId, name: string): StoreFile {
    return this.#store.file(`${this.#driver}-images/${hexOf(id)}/${name}`);
  }
}
