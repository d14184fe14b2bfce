import { shorten, listNames } from "../../base/shorten.ts";
import { BootError } from "../../base/errors.ts";
import { isRecord } from "../../base/json-values.ts";
import {
  goArchitecture,
  hexOf,
  isImageId,
  type ImageId,
} from "../../images/image-ref.ts";
import { readImageConfig } from "../image-config.ts";
import type { StoreFile, StoreFiles } from "../store-files.ts";
import type { StoredImage } from "../store.ts";

/** What containerd itself reads at most. */
const MAX_MANIFEST_BYTES = 8 * 1024 * 1024;

/** An index may name indexes; nobody has seen one in the third. */
const MAX_DEPTH = 4;

const MAX_LISTED = 10;

/**
 * Follows an image from its manifest or index to its configuration. Of an index, the image of this
 * machine's platform counts; what was not fetched is passed over.
 * @param id the digest of the manifest or index
 * @throws BootError IMAGE_MISSING where there is none for this machine, IMAGE_EMPTY, STORE_DAMAGED
 * @see https://github.com/opencontainers/image-spec/blob/main/image-index.md
 */
export function readOciImage(store: StoreFiles, id: ImageId): StoredImage {
  const machine = `linux/${goArchitecture(store.host)}`;
  const others = new Set<string>();
  /** What was opened: indexes that name the same ones again and again do not make it longer. */
  const seen = new Set<ImageId>();

  const find = (digest: ImageId, depth: number): StoredImage | undefined => {
    const file = blob(store, digest);
    const bytes = file.readVerified(digest, MAX_MANIFEST_BYTES);
    const content = file.parseJson(bytes);
    const { manifests, config } = isRecord(content) ? content : {};
    if (!Array.isArray(manifests)) {
      const configId = digestOf(config);
      if (configId !== undefined) {
        return readImageConfig(blob(store, configId), id, configId);
      }
      throw file.damaged("it is no manifest of an image");
    }
    if (depth === MAX_DEPTH) {
      throw file.damaged("it is too deep in other indexes");
    }
    for (const child of manifests as unknown[]) {
      const childDigest = digestOf(child);
      if (childDigest === undefined) {
        throw file.damaged("what it lists has no digest");
      }
      if (isReferrer(child) || !blob(store, childDigest).isPresent()) continue;
      const platform = platformOf(child);
      if (platform !== undefined && platform !== machine) {
        others.add(platform);
        continue;
      }
      if (seen.has(childDigest)) continue;
      seen.add(childDigest);
      const image = find(childDigest, depth + 1);
      if (image === undefined) continue;
      const own = `linux/${image.architecture ?? ""}`;
      if (platform !== undefined || own === machine) return image;
      others.add(own);
    }
    return undefined;
  };

  const found = find(id, 0);
  if (found !== undefined) return found;
  throw new BootError(
    "IMAGE_MISSING",
    `of the image ${id} there is none in the store for ${machine}, this machine`,
    {
      cause: new Error(
        others.size === 0
          ? "nothing that it names was fetched"
          : `there is one for ${listNames([...others].map(shorten), MAX_LISTED)}`,
      ),
      hint: `Fetch it in a running system: docker pull --platform ${machine} NAME.`,
    },
  );
}

function blob(store: StoreFiles, digest: ImageId): StoreFile {
  return store.file(
    `io.containerd.content.v1.content/blobs/sha256/${hexOf(digest)}`,
  );
}

function digestOf(descriptor: unknown): ImageId | undefined {
  const digest = isRecord(descriptor) ? descriptor["digest"] : undefined;
  return isImageId(digest) ? digest : undefined;
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
