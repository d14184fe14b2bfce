import { listNames } from "../../base/list-names.ts";
import { BootError } from "../../base/errors.ts";
import {
  isImageId,
  type ImageId,
  goArchitecture,
} from "../../images/image-ref.ts";
import { isRecord } from "../../base/json-values.ts";
import { shorten } from "../../base/abbreviate-ids.ts";
import {
  checkDigest,
  MAX_CONFIG_BYTES,
  readImageConfig,
} from "../image-config.ts";
import {
  damaged,
  isPresent,
  parseJson,
  readStoreFile,
} from "../store-files.ts";
import type { StoredImage, StoreLocation } from "../store.ts";

/** What containerd itself reads at most. */
const MAX_MANIFEST_BYTES = 8 * 1024 * 1024;

/** An index may name indexes; nobody has seen one in the third. */
const MAX_DEPTH = 4;

/** Where blobs are: `sha256/<hex>` in this directory, relative to the store. */
export interface BlobStore {
  readonly location: StoreLocation;
  readonly directory: string;
}

/**
 * Follows an image from its manifest or index to its configuration. Of an index, the image of this
 * machine's platform counts; what was not fetched is passed over.
 * @param id the digest of the manifest or index
 * @throws BootError IMAGE_MISSING where there is none for this machine, IMAGE_EMPTY, STORE_DAMAGED
 * @see https://github.com/opencontainers/image-spec/blob/main/image-index.md
 */
export function readOciImage(blobs: BlobStore, id: ImageId): StoredImage {
  const others = new Set<string>();
  const search = { blobs, id, others, seen: new Set<ImageId>() };
  const found = findForMachine(search, id, 0);
  if (found !== undefined) return found;
  const machine = goArchitecture(blobs.location.host);
  throw new BootError(
    "IMAGE_MISSING",
    `of the image ${id} there is none in the store for linux/${machine}, this machine`,
    {
      cause: new Error(
        others.size === 0
          ? "nothing that it names was fetched"
          : `there is one for ${listNames([...others].map(shorten), MAX_LISTED)}`,
      ),
      hint: `Fetch it in a running system: docker pull --platform linux/${machine} NAME.`,
    },
  );
}

const MAX_LISTED = 10;

interface Search {
  readonly blobs: BlobStore;
  /** The image's own ID. */
  readonly id: ImageId;
  /** Gets the platforms that are not this machine's. */
  readonly others: Set<string>;
  /** What was opened: indexes that name the same ones again and again do not make it longer. */
  readonly seen: Set<ImageId>;
}

/** @returns `undefined` where an index has none for this machine */
function findForMachine(
  search: Search,
  digest: ImageId,
  depth: number,
): StoredImage | undefined {
  const { blobs, id, others, seen } = search;
  const file = blobFile(blobs, digest);
  const bytes = readStoreFile(blobs.location, file, MAX_MANIFEST_BYTES);
  checkDigest(blobs.location, file, digest, bytes);
  const content = parseJson(blobs.location, file, bytes);
  const { manifests, config } = isRecord(content) ? content : {};
  if (!Array.isArray(manifests)) {
    const configId = digestOf(config);
    if (configId === undefined) {
      throw damaged(blobs.location, file, "it is no manifest of an image");
    }
    return readConfig(blobs, id, configId);
  }
  if (depth === MAX_DEPTH) {
    throw damaged(blobs.location, file, "it is too deep in other indexes");
  }
  for (const child of manifests as unknown[]) {
    const childDigest = digestOf(child);
    if (childDigest === undefined) {
      throw damaged(blobs.location, file, "what it lists has no digest");
    }
    if (
      isReferrer(child) ||
      !isPresent(blobs.location, blobFile(blobs, childDigest))
    ) {
      continue;
    }
    const platform = platformOf(child);
    if (platform !== undefined && !isOfMachine(blobs, platform)) {
      others.add(platform);
      continue;
    }
    if (seen.has(childDigest)) continue;
    seen.add(childDigest);
    const image = findForMachine(search, childDigest, depth + 1);
    if (image === undefined) continue;
    const own = `linux/${image.architecture ?? ""}`;
    if (platform !== undefined || isOfMachine(blobs, own)) return image;
    others.add(own);
  }
  return undefined;
}

function readConfig(
  blobs: BlobStore,
  id: ImageId,
  configId: ImageId,
): StoredImage {
  const file = blobFile(blobs, configId);
  const bytes = readStoreFile(blobs.location, file, MAX_CONFIG_BYTES);
  return readImageConfig(blobs.location, { id, configId, file }, bytes);
}

function blobFile({ directory }: BlobStore, digest: ImageId): string {
  return `${directory}/sha256/${digest.slice("sha256:".length)}`;
}

function digestOf(descriptor: unknown): ImageId | undefined {
  const digest = isRecord(descriptor) ? descriptor["digest"] : undefined;
  return typeof digest === "string" && isImageId(digest) ? digest : undefined;
}

/** BuildKit puts a statement of how an image was made beside it, as if it were one. */
function isReferrer(descriptor: unknown): boolean {
  const annotations = isRecord(descriptor)
    ? descriptor["annotations"]
    : undefined;
  return isRecord(annotations) && "vnd.docker.reference.type" in annotations;
}

/** `linux/amd64`; `undefined` where the index does not say. */
function platformOf(descriptor: unknown): string | undefined {
  const platform = isRecord(descriptor) ? descriptor["platform"] : undefined;
  if (!isRecord(platform)) return undefined;
  const { os, architecture } = platform;
  return typeof os === "string" && typeof architecture === "string"
    ? `${os}/${architecture}`
    : undefined;
}

function isOfMachine({ location }: BlobStore, platform: string): boolean {
  return platform === `linux/${goArchitecture(location.host)}`;
}
