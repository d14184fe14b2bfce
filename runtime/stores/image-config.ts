import { BootError } from "../base/errors.ts";
import { isRecord } from "../base/json-values.ts";
import { isImageId, type ImageId } from "../images/image-ref.ts";
import type { StoreFile } from "./store-files.ts";
import type { StoredImage } from "./store.ts";
import { sha256 } from "../base/sha256.ts";

/** More is no engine's, for it keeps none itself that is larger. */
const MAX_CONFIG_BYTES = 16 * 1024 * 1024;

/**
 * Reads an image's configuration.
 * @param id the image's, for messages
 * @param configId the configuration's digest
 * @throws BootError IMAGE_EMPTY where it has no layers, STORE_DAMAGED where it is not what its digest
 *   says, or no configuration
 * @see https://github.com/opencontainers/image-spec/blob/main/config.md
 */
export function readImageConfig(
  file: StoreFile,
  id: ImageId,
  configId: ImageId = id,
): StoredImage {
  const config = file.readVerifiedJson(configId, MAX_CONFIG_BYTES);
  const rootfs = isRecord(config) ? config["rootfs"] : undefined;
  if (!isRecord(config) || !isRecord(rootfs)) {
    throw file.damaged(`it has no "rootfs"`);
  }
  const diffIds: unknown = rootfs["diff_ids"] ?? [];
  if (!Array.isArray(diffIds) || !diffIds.every(isImageId)) {
    throw file.damaged(`its "diff_ids" are not digests`);
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
    id,
    configId,
    diffIds,
    architecture: typeof architecture === "string" ? architecture : undefined,
  };
}

/**
 * The chain ID of each layer in a stack: `c0 = diff0`, `cN = sha256(c(N-1) + " " + diffN)`.
 * @param diffIds the base layer first; each `sha256:` and 64 hex digits
 * @see https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid
 */
export function chainIds(diffIds: readonly string[]): string[] {
  const chains: string[] = [];
  for (const diffId of diffIds) {
    const below = chains.at(-1);
    chains.push(
      below === undefined ? diffId : `sha256:${sha256(`${below} ${diffId}`)}`,
    );
  }
  return chains;
}
