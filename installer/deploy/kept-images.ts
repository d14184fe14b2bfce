import { BootError } from "../../runtime/base/errors.ts";
import { formatJson } from "../../runtime/base/escape.ts";
import { listKernels } from "../../runtime/boot/bootable.ts";
import {
  readSubvolume,
  syncFilesystem,
  waitForFreedSpace,
} from "../../runtime/disk/btrfs.ts";
import type { Disk } from "../../runtime/disk/disk.ts";
import { listKeptImages } from "../../runtime/disk/kept-images.ts";
import { deleteTree, findTree } from "../../runtime/disk/subvolumes.ts";
import { hexOf } from "../../runtime/images/image-ref.ts";
import {
  DOCKROOT_DIRECTORY,
  KEPT_IMAGES,
  keptImagePaths,
} from "../../runtime/options/rwlayer-names.ts";
import type { KeptImage } from "../../runtime/records/kept-image.ts";
import type { RootImage } from "../../runtime/stores/store.ts";

interface KeepRequest {
  readonly image: RootImage;
  readonly reference: string;
  readonly repoDigest: string | null;
  /** What its os-release calls it. */
  readonly system: string | null;
}

/**
 * Keeps an image: a read-only snapshot of its source, durable when this returns. Nothing where it is
 * kept already.
 * @throws BootError FILE_FOREIGN where something else has its place, HelperError
 */
export async function keepImage(
  disk: Disk,
  { image, reference, repoDigest, system }: KeepRequest,
): Promise<void> {
  const { host } = disk;
  const kept = listKeptImages(disk);
  if (kept.some(({ id }) => id === image.id)) return;
  refuseForeignImage(disk, image.id);
  const { directory, tree, record } = keptImagePaths(hexOf(image.id));
  for (const parent of [DOCKROOT_DIRECTORY, KEPT_IMAGES, directory]) {
    host.files.ensureDirectory(disk.at(parent), 0o700);
  }
  const source = disk.at(image.source);
  await host.run([
    "btrfs",
    "subvolume",
    "snapshot",
    "-r",
    source,
    disk.at(tree),
  ]);
  const { uuid } = await readSubvolume(host, disk.at(tree));
  const { id, configId, diffIds, architecture = null } = image;
  const written: KeptImage = {
    version: 1,
    uuid,
    number: (kept[0]?.number ?? 0) + 1,
    ...{ reference, id, configId, repoDigest, diffIds, architecture },
    kernels: listKernels(host, disk.at(tree)),
    system,
  };
  await syncFilesystem(disk);
  host.files.writeFile(
    disk.at(record),
    { text: formatJson(written) },
    { mode: 0o600 },
  );
}

/** @throws BootError FILE_FOREIGN where something else has the place of an image that is not kept yet */
export function refuseForeignImage(disk: Disk, id: string): void {
  if (listKeptImages(disk).some((image) => image.id === id)) return;
  const { tree, record } = keptImagePaths(hexOf(id));
  if (disk.host.files.statusOf(disk.at(tree)) === undefined) return;
  throw new BootError("FILE_FOREIGN", `${tree} has no valid ${record}`, {
    hint: "Nothing is changed. If nobody needs it, mount the filesystem with -o subvolid=5 and delete it there.",
  });
}

/**
 * Removes a kept image of which the state says that it is being made or removed: its record first, so that one that
 * is half removed is none. A subvolume with the record of another one stays. Durable when this returns.
 * @throws BootError, HelperError
 */
export async function removeKeptImage(disk: Disk, id: string): Promise<void> {
  const { host } = disk;
  const { directory, tree, record } = keptImagePaths(hexOf(id));
  const file = disk.at(tree);
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
}
