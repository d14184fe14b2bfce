import path from "node:path";
import { isSubvolume } from "../btrfs.ts";
import { BootError } from "../host/errors.ts";
import type { ImageId } from "../image-ref.ts";
import { PULL_AGAIN } from "./store-files.ts";
import type { StoreLocation } from "./store.ts";

/**
 * @param source where the image's top layer must be, relative to the top level
 * @returns the source
 * @throws BootError SOURCE_MISSING
 */
export function requireSubvolume(
  { host, topLevel }: StoreLocation,
  id: ImageId,
  source: string,
): string {
  if (isSubvolume(host, path.join(topLevel, source))) return source;
  throw new BootError(
    "SOURCE_MISSING",
    `the image ${id} has its top layer at ${source}, but there is no subvolume`,
    { hint: PULL_AGAIN },
  );
}
