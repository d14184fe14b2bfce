import { BootError } from "../../runtime/base/errors.ts";
import { asFailureOf, summarizeFailure } from "../../runtime/base/failure.ts";
import { formatJson } from "../../runtime/base/escape.ts";
import { listKernels } from "../../runtime/boot/bootable.ts";
import {
  readSubvolume,
  syncFilesystem,
  waitForFreedSpace,
} from "../../runtime/disk/btrfs.ts";
import { Disk } from "../../runtime/disk/disk.ts";
import { listKeptImages } from "../../runtime/disk/kept-images.ts";
import { listUnusedLayers } from "../../runtime/disk/overlay/collect-overlay-garbage.ts";
import {
  discardLayers,
  holdLayers,
  listMissing,
} from "../../runtime/disk/overlay/layers.ts";
import { OverlayDisk } from "../../runtime/disk/overlay/overlay-disk.ts";
import { silence } from "../../runtime/host/host.ts";
import { deleteTree, findTree } from "../../runtime/disk/subvolumes.ts";
import { hexOf } from "../../runtime/images/image-ref.ts";
import {
  DOCKROOT_DIRECTORY,
  KEPT_IMAGES,
  keptImagePaths,
} from "../../runtime/options/rwlayer-names.ts";
import type { KeptImage } from "../../runtime/records/kept-image.ts";
import type { RootImage } from "../../runtime/stores/store.ts";
import { readBooted } from "./deploy-disk.ts";

interface KeepRequest {
  readonly image: RootImage;
  readonly reference: string;
  readonly repoDigest: string | null;
  /** What its os-release calls it. */
  readonly system: string | null;
}

/**
 * Keeps an image: a read-only snapshot of its source, or its layers; durable when this returns. Nothing where it is
 * kept already.
 * @throws BootError FILE_FOREIGN where something else has its place, STEP_FAILED, HelperError
 */
export async function keepImage(
  disk: Disk,
  { image, reference, repoDigest, system }: KeepRequest,
): Promise<void> {
  const { host } = disk;
  const kept = listKeptImages(disk);
  if (kept.some(({ id }) => id === image.id)) return;
  refuseForeignImage(disk, image.id);
  const { directory, record } = keptImagePaths(hexOf(image.id));
  for (const parent of [DOCKROOT_DIRECTORY, KEPT_IMAGES, directory]) {
    host.files.ensureDirectory(disk.at(parent), 0o700);
  }
  const held = await holdTree(disk, image);
  const { id, configId, diffIds, architecture = null } = image;
  const written: KeptImage = {
    version: 1,
    ...held,
    number: (kept[0]?.number ?? 0) + 1,
    ...{ reference, id, configId, repoDigest, diffIds, architecture },
    kernels: listKernels(host, await disk.showImage(image)),
    system,
  };
  await syncFilesystem(disk);
  host.files.writeFile(
    disk.at(record),
    { text: formatJson(written) },
    { mode: 0o600 },
  );
}

/** For whatever else the system writes meanwhile. */
export const SPARE_INODES = 1000;

/**
 * Layers take no room but for their directories.
 * @throws BootError NO_ROOM where those of an image find none
 */
export function refuseNoRoom(disk: Disk, { layers = [] }: RootImage): void {
  const { host, topLevel } = disk;
  const { freeInodes } = host.files.roomAt(topLevel);
  if (freeInodes === undefined) return;
  let count = 0;
  for (const { directory } of listMissing(disk, layers)) {
    host.files.walkDirectories(disk.at(directory), () => {
      count += 1;
      return true;
    });
  }
  if (count === 0 || count + SPARE_INODES <= freeInodes) return;
  throw new BootError(
    "NO_ROOM",
    `there is no room for the image's layers: they have ${String(count)} directories, and the disk with the images takes ${String(freeInodes)} more files`,
    {
      hint: "Remove files there, or images and deployments that you do not need. Nothing was changed.",
    },
  );
}

/** What of an image stays whatever becomes of its store. */
async function holdTree(
  disk: Disk,
  { id, source, layers }: RootImage,
): Promise<Pick<KeptImage, "uuid" | "layers">> {
  if (layers !== undefined) {
    const missing = listMissing(disk, layers);
    try {
      if (missing.length > 0) await holdLayers(disk, missing);
    } catch (error) {
      // It may be what has filled the disk.
      discardQuietly(disk, () => []);
      throw error;
    }
    return { uuid: null, layers: layers.map(({ key }) => key) };
  }
  const tree = disk.at(keptImagePaths(hexOf(id)).tree);
  await disk.host.run([
    ...["btrfs", "subvolume", "snapshot", "-r", disk.at(source), tree],
  ]);
  return { uuid: (await readSubvolume(disk.host, tree)).uuid };
}

/** @throws BootError FILE_FOREIGN where something else has the place of an image that is not kept yet */
export function refuseForeignImage(disk: Disk, id: string): void {
  if (listKeptImages(disk).some((image) => image.id === id)) return;
  const { directory, tree, record } = keptImagePaths(hexOf(id));
  if (isOfOtherKind(disk, id)) {
    throw new BootError(
      "FILE_FOREIGN",
      `${directory} has the image for roots that are ${disk.isOverlay ? "subvolumes" : "overlays"}`,
      { hint: "Nothing is changed. Remove the deployments of those roots." },
    );
  }
  if (disk.host.files.statusOf(disk.at(tree)) === undefined) return;
  throw new BootError("FILE_FOREIGN", `${tree} has no valid ${record}`, {
    hint: "Nothing is changed. If nobody needs it, mount the filesystem with -o subvolid=5 and delete it there.",
  });
}

/** On a btrfs a subvolume and layers can be the same image, for roots of different names. */
function isOfOtherKind(disk: Disk, id: string): boolean {
  const Other = disk.isOverlay ? Disk : OverlayDisk;
  const other = new Other(disk.host, disk.topLevel, disk.paths.rwlayer);
  return listKeptImages(other).some((image) => image.id === id);
}

/**
 * Removes a kept image of which the state says that it is being made or removed: its record first, so that one that
 * is half removed is none. A subvolume with the record of another one stays; so do layers that something else is made
 * of. Durable when this returns.
 * @throws BootError, HelperError
 */
export async function removeKeptImage(disk: Disk, id: string): Promise<void> {
  const { host } = disk;
  const { directory, tree, record } = keptImagePaths(hexOf(id));
  const file = disk.at(tree);
  if (isOfOtherKind(disk, id)) return;
  if (disk.hasSubvolume(tree)) {
    const kept = listKeptImages(disk).find((image) => image.id === id);
    const { uuid } = await readSubvolume(host, file);
    const isRecorded = host.files.statusOf(disk.at(record)) !== undefined;
    if (isRecorded && kept?.uuid !== uuid) {
      host.log.warn(`${tree} cannot be proved to be dockroot's, and stays`);
      return;
    }
    host.files.removeFile(disk.at(record));
    const ids = await deleteTree(disk, await findTree(disk, tree));
    await waitForFreedSpace(disk, ids);
  }
  host.files.removeFile(disk.at(record));
  host.files.removeTemporary(disk.at(record));
  if (host.files.namesIn(disk.at(directory)).length === 0) {
    host.files.removeUnusedDirectory(disk.at(directory));
  } else {
    host.log.warn(`${directory} holds other files, and stays`);
  }
  await syncFilesystem(disk);
  if (!(disk instanceof OverlayDisk)) return;
  discardQuietly(disk, () =>
    // The root that runs may be in memory.
    listUnusedLayers(disk, readBooted(host)?.layers ?? []),
  );
}

/** Their keys say nothing to who sees the image go. What cannot be removed goes with a later boot. */
function discardQuietly(
  { host, topLevel, paths }: Disk,
  listKeys: () => readonly string[],
): void {
  const disk = new OverlayDisk(silence(host), topLevel, paths.rwlayer);
  try {
    discardLayers(disk, listKeys(), () => false);
  } catch (error) {
    const failure = asFailureOf("remove layers", error);
    if (!(failure instanceof BootError)) throw failure;
    host.log.warn(summarizeFailure(failure));
  }
}
