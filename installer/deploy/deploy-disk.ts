import path from "node:path";
import { BootError, isSystemError } from "../../runtime/base/errors.ts";
import { summarizeFailure } from "../../runtime/base/failure.ts";
import { gatherOptions } from "../../runtime/boot/gather-options.ts";
import { Disk, DiskLock } from "../../runtime/disk/disk.ts";
import { MountStack } from "../../runtime/disk/mount-stack.ts";
import { OverlayDisk } from "../../runtime/disk/overlay/overlay-disk.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  BOOT_RECORD,
  parseBootRecord,
  type BootedStatus,
} from "../../runtime/records/boot-record.ts";
import type { Deployment } from "../../runtime/records/deployments.ts";
import {
  readDeployments,
  writeDeployments,
} from "../../runtime/disk/deployments-file.ts";
import { deleteTree, findTree } from "../../runtime/disk/subvolumes.ts";
import { DEFAULT_RUN_DIRECTORY } from "../../runtime/disk/run-directory.ts";
import { readSystemOptions } from "../../runtime/options/options.ts";
import {
  DOCKROOT_DIRECTORY,
  rwlayerOfDirectory,
} from "../../runtime/options/rwlayer-names.ts";
import { USUAL_RWLAYER } from "../loaders/formats/boot-loader.ts";
import {
  probeFilesystem,
  withMounted,
  type Filesystem,
} from "../system/filesystem.ts";
import {
  findStorePlace,
  type StoreChoice,
  type StorePlace,
} from "../system/find-store.ts";

/** Another command, or a boot's `finish`, takes no longer. */
const MAX_LOCK_WAIT_MS = 60_000;

const MAX_STATE_BYTES = 16 * 1024 * 1024;

/** The disk that this machine boots from, where what deployments need is kept. */
export interface DeployDisk {
  readonly disk: Disk;
  readonly store: Filesystem;
  readonly place: StorePlace;
  /** What dockroot has booted; `undefined` where another system runs. */
  readonly booted: BootedStatus | undefined;
  /** The number of the deployment that runs. */
  readonly running: number | undefined;
}

/**
 * Mounts the top level of the disk that this machine boots from, and locks it, for as long as the work
 * takes.
 * @param access `ro` for what only looks: it takes no lock
 * @throws BootError DISK_BUSY, MOUNT_FAILED, STORE_MISSING, HelperError, and what the work throws
 */
export async function withDeployDisk<T>(
  host: Host,
  choice: StoreChoice,
  access: "ro" | "rw",
  work: (disk: DeployDisk) => Promise<T>,
): Promise<T> {
  const place = await findPlace(host, choice);
  const store = await probeFilesystem(host, place.device);
  return withMounted(host, store, "deploy", access, async (topLevel) => {
    const mounts = new MountStack(host);
    const disk = openDeployDisk(host, topLevel, place, mounts);
    const booted =
      place.bootedRwlayer === undefined ? undefined : readBooted(host);
    const running =
      booted === undefined
        ? readNamed(host, place)
        : (booted.deployment ?? undefined);
    const lock = new DiskLock(host, topLevel, "on this disk");
    if (access === "rw") await lock.take(MAX_LOCK_WAIT_MS);
    try {
      if (access === "rw") {
        if (disk.isOverlay) giveUpReserve(disk);
        removeMadeInitramfs(disk);
        await removeBuilding(disk).catch((error: unknown) => {
          host.log.warn(summarizeFailure(error));
        });
      }
      return await work({ disk, store, place, booted, running });
    } finally {
      if (access === "rw" && disk.isOverlay) keepReserve(disk);
      await lock.release();
      await mounts.release();
    }
  });
}

/** For the state, the menu, and what else a command writes before it frees anything. */
const RESERVE_BYTES = 256 * 1024;

/** On ext4 and xfs a full disk takes no file; btrfs keeps room for deleting by itself. */
function keepReserve({ host, paths, topLevel }: Disk): void {
  const { deployments, reserve } = paths;
  if (host.files.statusOf(path.join(topLevel, deployments)) === undefined) {
    return;
  }
  try {
    host.files.writeFile(
      path.join(topLevel, reserve),
      { text: "\0".repeat(RESERVE_BYTES) },
      { mode: 0o600, durable: "nothing" },
    );
  } catch (error) {
    // There will be room for it some other time.
    if (!isSystemError(error)) throw error;
  }
}

/** What cannot be removed keeps nobody from working: the disk may have room. */
function giveUpReserve({ host, paths, topLevel }: Disk): void {
  const file = path.join(topLevel, paths.reserve);
  if (host.files.statusOf(file)?.kind !== "file") return;
  try {
    host.files.removeFile(file);
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}

/** @param mounts gets what is mounted to look at images and roots */
function openDeployDisk(
  host: Host,
  topLevel: string,
  { bootedRwlayer: rwlayer = USUAL_RWLAYER, isOverlay }: StorePlace,
  mounts: MountStack,
): Disk {
  if (!isOverlay) return new Disk(host, topLevel, rwlayer);
  const at = (name: string) =>
    path.join(
      host.path(DEFAULT_RUN_DIRECTORY),
      `${name}-${String(host.processId)}`,
    );
  const places = {
    ...{ view: at("tree"), next: at("next"), root: at("root") },
    ...{ memory: at("memory"), links: at("layers") },
  };
  return new OverlayDisk(host, topLevel, rwlayer, { places, mounts });
}

/** @throws BootError, HelperError, as `findStorePlace` */
async function findPlace(host: Host, choice: StoreChoice): Promise<StorePlace> {
  try {
    return await findStorePlace(host, choice);
  } catch (error) {
    const isUnnamed =
      error instanceof BootError &&
      error.code === "STORE_MISSING" &&
      choice.directory === undefined;
    if (!isUnnamed) throw error;
    throw new BootError(
      "STORE_MISSING",
      `cannot tell which disk has the deployments: ${error.message}, and dockroot has not booted this system`,
      {
        hint: "Name the directory of the image store on that disk, with images or without: --store-path /var/lib/docker.",
      },
    );
  }
}

/**
 * The boot's record: what the kernel command line asks for may not be what was made.
 * @throws BootError FILE_UNREADABLE
 */
export function readBooted(host: Host): BootedStatus | undefined {
  const file = path.join(DEFAULT_RUN_DIRECTORY, BOOT_RECORD);
  const text = host.readText(file, MAX_STATE_BYTES);
  return text === undefined ? undefined : parseBootRecord(text).booted;
}

/** Where there is no record: what the kernel command line names. */
function readNamed(
  host: Host,
  { bootedRwlayer }: StorePlace,
): number | undefined {
  if (bootedRwlayer === undefined) return undefined;
  return readSystemOptions(gatherOptions(host)).deployment;
}

/**
 * The deployments of other rwlayers on this disk, which may share images and boot files with ours.
 * @returns `undefined` where one's cannot be read: what they need is not known, and a warning says so
 */
export function readOtherDeployments(
  disk: Disk,
): readonly Deployment[] | undefined {
  const { host, topLevel, paths } = disk;
  const own = path.basename(paths.directory);
  try {
    return host.files
      .namesIn(disk.at(DOCKROOT_DIRECTORY))
      .filter((name) => name !== own)
      .flatMap((name) => {
        const other = rwlayerOfDirectory(name);
        return readDeployments(new Disk(host, topLevel, other)).deployments;
      });
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    host.log.warn(
      `${error.message}: it may name any image and any boot files, so that none is removed until it is repaired or renamed`,
    );
    return undefined;
  }
}

/**
 * Removes the snapshot, or the copy, in which an initramfs was made, or was to be made, where the state says that it is ours.
 * @throws BootError, HelperError
 */
export async function removeBuilding(disk: Disk): Promise<void> {
  const { building } = disk.paths;
  const { isBuilding, ...state } = readDeployments(disk);
  if (isBuilding === undefined) return;
  if (disk.isOverlay) {
    // Where there was no room it was not begun.
    if (disk.hasDirectory(building)) {
      disk.host.files.removeTree(Buffer.from(disk.at(building)));
    }
  } else if (disk.hasSubvolume(building)) {
    await deleteTree(disk, await findTree(disk, building));
  }
  writeDeployments(disk, state);
}

/** Removes the initramfs that was made there. */
export function removeMadeInitramfs({ host, paths, topLevel }: Disk): void {
  host.files.removeFile(path.join(topLevel, paths.madeInitramfs));
}
