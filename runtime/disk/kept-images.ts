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
import type { RootImage, TreeLayer } from "../stores/store.ts";
import type { Disk } from "./disk.ts";
import { layerPath, listMissing } from "./overlay/layers.ts";

const MAX_RECORD_BYTES = 1024 * 1024;

/**
 * The images that deployments boot: read-only snapshots of their sources, or held layers, which no engine's prune and
 * no damage of its store touches. One without a valid record is half made, and none of these.
 * @returns the newest first
 * @throws BootError FILE_UNREADABLE where something else has the place of their directory
 */
export function listKeptImages(disk: Disk): KeptImage[] {
  return listDirectories(disk)
    .flatMap((hex) => readKeptImage(disk, hex) ?? [])
    .toSorted((a, b) => b.number - a.number);
}

/** The digits of the IDs of images that are kept, or were to be. */
function listDirectories(disk: Disk): string[] {
  if (!disk.hasDirectory(KEPT_IMAGES)) return [];
  return disk.host.files
    .namesIn(disk.at(KEPT_IMAGES))
    .filter((name) => isImageId(`sha256:${name}`));
}

/** @param hex the name of its directory */
function readKeptImage(disk: Disk, hex: string): KeptImage | undefined {
  try {
    const image = readRecord(disk, hex);
    return image !== undefined && isWhole(disk, image) ? image : undefined;
  } catch (error) {
    if (error instanceof BootError) return undefined;
    throw error;
  }
}

/** @throws BootError FILE_UNREADABLE */
function readRecord(disk: Disk, hex: string): KeptImage | undefined {
  const { host, topLevel } = disk;
  const { record } = keptImagePaths(hex);
  try {
    const bytes = readBytesIn(host, topLevel, record, MAX_RECORD_BYTES);
    return bytes === undefined
      ? undefined
      : parseKeptImage(bytes.toString("utf8"), hex);
  } catch (cause) {
    throw new BootError("FILE_UNREADABLE", `${record} is damaged`, {
      cause,
      hint: "No layer is removed meanwhile. To keep the image again: dockroot gc.",
    });
  }
}

/** The other kind of root's is of no use, either. */
function isWhole(disk: Disk, { id, layers }: KeptImage): boolean {
  return disk.isOverlay
    ? layers !== undefined && listMissing(disk, layersOf(layers)).length === 0
    : disk.hasSubvolume(keptImagePaths(hexOf(id)).tree);
}

function layersOf(keys: readonly string[]): TreeLayer[] {
  return keys.map((key) => ({ key, directory: layerPath(key) }));
}

/**
 * The keys of all layers that images are kept of, also those of images of which others are missing.
 * @throws BootError FILE_UNREADABLE where one's record does not tell
 */
export function listKeptLayers(disk: Disk): string[] {
  return listDirectories(disk).flatMap(
    (hex) => readRecord(disk, hex)?.layers ?? [],
  );
}

/**
 * Has the tree of a kept image there, until the disk is no longer mounted.
 * @returns where it is
 * @throws BootError IMAGE_MISSING, MOUNT_FAILED
 */
export async function showKeptImage(disk: Disk, id: string): Promise<string> {
  const kept = readKeptImage(disk, hexOf(id));
  if (kept !== undefined) return disk.showImage(rootOf(kept));
  throw new BootError("IMAGE_MISSING", `the image ${id} is not kept`);
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
  return found && rootOf(found);
}

function rootOf(kept: KeptImage): RootImage {
  const { id, configId, diffIds, architecture, reference } = kept;
  const layers = kept.layers && layersOf(kept.layers);
  return {
    ...{ id, configId, diffIds, reference },
    architecture: architecture ?? undefined,
    store: "kept",
    source: layers?.[0]?.directory ?? keptImagePaths(hexOf(id)).tree,
    ...(layers && { layers }),
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
