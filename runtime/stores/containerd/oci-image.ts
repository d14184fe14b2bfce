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
    const content = file.readVerifiedJson(digest, MAX_MANIFEST_BYTES);
    const { manifests, config } = isRecord(content) ? content : {};
    if (!Array.isArray(manifests)) {
      const { digest: configId } = parseDescriptor(config);
      if (configId !== undefined) {
        return readImageConfig(blob(store, configId), id, configId);
      }
      throw file.damaged("it is not an image manifest");
    }
    if (depth === MAX_DEPTH) {
      throw file.damaged("it is nested too deeply in other indexes");
    }
    for (const child of manifests.map(parseDescriptor)) {
      const { digest: childDigest, platform } = child;
      if (childDigest === undefined) {
        throw file.damaged("an entry in its list has no digest");
      }
      if (child.isReferrer || !blob(store, childDigest).isPresent()) continue;
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
    `the store has the image ${id} only for other machines than this one (${machine})`,
    {
      cause: new Error(
        others.size === 0
          ? "nothing that it lists was fetched"
          : `it is there for ${listNames([...others].map(shorten), MAX_LISTED)}`,
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

/** @see https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md */
interface Descriptor {
  readonly digest: ImageId | undefined;
  /** BuildKit puts a statement of how an image was made beside it, as if it were one. */
  readonly isReferrer: boolean;
  /** `linux/amd64`; `undefined` where the index does not say. */
  readonly platform: string | undefined;
}

function parseDescriptor(value: unknown): Descriptor {
  const { digest, annotations, platform } = isRecord(value) ? value : {};
  const { os, architecture } = isRecord(platform) ? platform : {};
  return {
    digest: isImageId(digest) ? digest : undefined,
    isReferrer:
      isRecord(annotations) && "vnd.docker.reference.type" in annotations,
    platform:
      typeof os === "string" && typeof architecture === "string"
        ? `${os}/${architecture}`
        : undefined,
  };
}
