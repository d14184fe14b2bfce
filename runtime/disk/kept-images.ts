import { BootError } from "../base/errors.ts";
import { readBytesIn } from "../host/follow-in.ts";
import {
  formatImageReference,
  hexOf,
  isImageId,
  parseImageReference,
  type ImageReference,
} from "../images/image-ref.ts";
import { KEPT_IMAGES, keptImagePaths } from "../options/rwlayer-names.ts";
import { parseKeptImage, type KeptImage } from "../records/kept-image.ts";
import type { RootImage } from "../stores/store.ts";
import type { Disk } from "./disk.ts";

const MAX_RECORD_BYTES = 1024 * 1024;

/**
 * The images that deployments boot: read-only snapshots of their sources, which no engine's prune and
 * no damage of its store touches. One without a valid record is half made, and none of these.
 * @returns the newest first
 * @throws BootError FILE_UNREADABLE where something else has the place of their directory
 */
export function listKeptImages(disk: Disk): KeptImage[] {
  if (!disk.hasDirectory(KEPT_IMAGES)) return [];
  return disk.host.files
    .namesIn(disk.at(KEPT_IMAGES))
    .flatMap((name) => readKeptImage(disk, name) ?? [])
    .toSorted((a, b) => b.number - a.number);
}

/** @param hex the name of its directory */
function readKeptImage(disk: Disk, hex: string): KeptImage | undefined {
  if (!isImageId(`sha256:${hex}`)) return undefined;
  const { record, tree } = keptImagePaths(hex);
  try {
    const { host, topLevel } = disk;
    const bytes = readBytesIn(host, topLevel, record, MAX_RECORD_BYTES);
    if (bytes === undefined || !disk.hasSubvolume(tree)) return undefined;
    const image = parseKeptImage(bytes.toString("utf8"));
    return hexOf(image.id) === hex ? image : undefined;
  } catch (error) {
    if (error instanceof BootError) return undefined;
    throw error;
  }
}

/**
 * The kept image that a reference names: by its ID, or by the name under which it was kept last.
 * @throws BootError FILE_UNREADABLE
 */
export function findKeptImage(
  disk: Disk,
  wanted: ImageReference,
): RootImage | undefined {
  const found = listKeptImages(disk).find((image) => isMeant(image, wanted));
  if (found === undefined) return undefined;
  const { id, configId, diffIds, architecture, reference } = found;
  return {
    ...{ id, configId, diffIds, reference },
    architecture: architecture ?? undefined,
    store: "kept",
    source: keptImagePaths(hexOf(id)).tree,
  };
}

function isMeant(
  { id, configId, reference, repoDigest }: KeptImage,
  wanted: ImageReference,
): boolean {
  if (wanted.kind === "id") return wanted.id === id || wanted.id === configId;
  if (wanted.digest !== undefined) {
    return repoDigest?.endsWith(`@${wanted.digest}`) === true;
  }
  if (wanted.idPrefix !== undefined && hexOf(id).startsWith(wanted.idPrefix)) {
    return true;
  }
  return nameOf(parseImageReference(reference)) === nameOf(wanted);
}

/** Engines print one name in several ways. */
function nameOf(reference: ImageReference): string {
  if (reference.kind === "id") return reference.id;
  return formatImageReference({ ...reference, isQualified: false });
}
