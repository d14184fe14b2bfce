import { BootError } from "../base/errors.ts";
import { isImageId, type ImageId } from "../images/image-ref.ts";
import { isRecord } from "../base/json-values.ts";
import { sha256 } from "../base/sha256.ts";
import { damaged, parseJson } from "./store-files.ts";
import type { StoredImage, StoreLocation } from "./store.ts";

/** More is no engine's, for it keeps none itself that is larger. */
export const MAX_CONFIG_BYTES = 16 * 1024 * 1024;

/**
 * Reads an image's configuration.
 * @param id the image's, for messages
 * @param file the configuration's, for messages
 * @throws BootError IMAGE_EMPTY where it has no layers, STORE_DAMAGED where it is not what its digest
 *   says, or no configuration
 * @see https://github.com/opencontainers/image-spec/blob/main/config.md
 */
export function readImageConfig(
  location: StoreLocation,
  { id, configId, file }: { id: ImageId; configId: ImageId; file: string },
  bytes: Buffer,
): StoredImage {
  checkDigest(location, file, configId, bytes);
  const config = parseJson(location, file, bytes);
  const rootfs = isRecord(config) ? config["rootfs"] : undefined;
  if (!isRecord(config) || !isRecord(rootfs)) {
    throw damaged(location, file, `it has no "rootfs"`);
  }
  const diffIds: unknown = rootfs["diff_ids"] ?? [];
  if (!Array.isArray(diffIds) || !diffIds.every(isDigest)) {
    throw damaged(location, file, `its "diff_ids" are no digests`);
  }
  if (diffIds.length === 0) throw imageEmpty(id);
  const { architecture } = config;
  return {
    id,
    configId,
    diffIds,
    architecture: typeof architecture === "string" ? architecture : undefined,
  };
}

export function imageEmpty(id: ImageId): BootError {
  return new BootError(
    "IMAGE_EMPTY",
    `the image ${id} has no layers, so there is no root filesystem in it`,
    {
      hint: "Name an image that holds a system; this one was built FROM scratch without any file.",
    },
  );
}

/** @throws BootError STORE_DAMAGED where a file that is named by its content has another one */
export function checkDigest(
  location: StoreLocation,
  file: string,
  digest: ImageId,
  bytes: Buffer,
): void {
  if (`sha256:${sha256(bytes)}` === digest) return;
  throw damaged(
    location,
    file,
    `its content (${String(bytes.length)} bytes) has another sha256 than its name says`,
  );
}

function isDigest(value: unknown): value is string {
  return typeof value === "string" && isImageId(value);
}
