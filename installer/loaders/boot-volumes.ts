import path from "node:path";
import { isBelow } from "../../runtime/base/is-below.ts";
import { BootError } from "../../runtime/base/errors.ts";
import { summarizeFailure } from "../../runtime/base/failure.ts";
import { listDevices, waitForDevice } from "../../runtime/disk/device.ts";
import { readMounts, type Mount } from "../../runtime/disk/mounts.ts";
import { DEFAULT_RUN_DIRECTORY } from "../../runtime/disk/run-directory.ts";
import type { Host } from "../../runtime/host/host.ts";
import { locate } from "../system/formats/fstab.ts";
import { BOOT_DIRECTORIES } from "../system/formats/kernel-files.ts";
import {
  probeFilesystem,
  withMounted,
  type Filesystem,
} from "../system/filesystem.ts";
import { readLoaderVariable } from "./efi-variables.ts";
import { roleOf, type Volume } from "./plan/plan-boot-place.ts";

/** The kernel states a page as the size of an attribute. */
const MAX_ATTRIBUTE_BYTES = 4096;

/** The filesystems that may have boot loaders, besides the store's: the likeliest first. */
export async function listVolumes(
  host: Host,
  store: Filesystem,
): Promise<Volume[]> {
  // systemd mounts a boot partition when somebody looks into it.
  for (const at of BOOT_DIRECTORIES) host.files.namesIn(host.path(at));
  const mounts = readWholeMounts(host);
  const places = [...BOOT_DIRECTORIES];
  // A system that dockroot has not made may have GRUB's menu in the /boot of its root.
  const boot = locate(readMounts(host), "/boot/grub");
  if (boot?.mount.mountPoint === "/") places.push("/");
  const isBootMount = (device: string) =>
    mounts.some(
      ({ source, mountPoint }) =>
        source === device && places.includes(mountPoint),
    );
  const fats = await listDevices(host, ["-t", "TYPE=vfat"]);
  const devices = new Set([
    ...mounts.map(({ source }) => source).filter(isBootMount),
    ...fats.map((device) => device.path),
  ]);
  const loadersOwn = readLoaderVariable(host, "LoaderDevicePartUUID");
  const found: { volume: Volume; rank: number }[] = [];
  for (const device of devices) {
    const filesystem = await probeFilesystem(host, device);
    const { partition, uuid } = filesystem;
    const disk = partition?.disk;
    const signs = [
      loadersOwn !== undefined &&
        partition?.uuid?.toLowerCase() === loadersOwn.toLowerCase(),
      isBootMount(device),
      disk !== undefined && disk === store.partition?.disk,
    ];
    const sign = signs.indexOf(true);
    const isForeign = sign === -1;
    const volume = toVolume(filesystem, mounts, isForeign);
    const isBoot = volume.role !== "other" || isBootMount(device);
    const isOut = isForeign && isRemovable(host, disk ?? device);
    if (uuid === store.uuid || !isBoot || isOut) continue;
    found.push({ volume, rank: isForeign ? signs.length : sign });
  }
  return found.toSorted((a, b) => a.rank - b.rank).map(({ volume }) => volume);
}

/** Mounts of all of a filesystem on a device. */
function readWholeMounts(host: Host): Mount[] {
  return readMounts(host).filter(
    ({ source, root }) => source.startsWith("/dev/") && root === "/",
  );
}

function toVolume(
  filesystem: Filesystem,
  mounts: readonly Mount[],
  isForeign: boolean,
): Volume {
  const mount = mounts.findLast(
    ({ source, mountPoint }) =>
      source === filesystem.device &&
      !isBelow(mountPoint, DEFAULT_RUN_DIRECTORY),
  );
  const role = roleOf(filesystem);
  return { filesystem, mountPoint: mount?.mountPoint, role, isForeign };
}

/** Of another machine, or of an installer: not even looked at. */
function isRemovable(host: Host, disk: string): boolean {
  const file = `/sys/class/block/${path.basename(disk)}/removable`;
  return host.readText(file, MAX_ATTRIBUTE_BYTES)?.trim() === "1";
}

/** @returns `undefined` where there is no such filesystem, or no single one */
export async function findVolume(
  host: Host,
  uuid: string,
): Promise<Volume | undefined> {
  const spec = { kind: "tag", tag: "UUID", value: uuid } as const;
  try {
    const device = await waitForDevice(host, spec, 0);
    const filesystem = await probeFilesystem(host, device.path);
    return toVolume(filesystem, readWholeMounts(host), false);
  } catch (error) {
    if (error instanceof BootError) return undefined;
    throw error;
  }
}

/** Another command, doctor too, has a boot partition mounted no longer. */
const MAX_MOUNT_WAIT_MS = 60_000;

const MOUNT_POLL_MS = 500;

/** A mount of another dockroot ends with that, and may be read-only: a second one would be refused. */
async function awaitOthers(host: Host, device: string): Promise<void> {
  const own = `-${String(host.processId)}`;
  const isOthers = ({ source, mountPoint }: Mount) =>
    source === device &&
    isBelow(mountPoint, DEFAULT_RUN_DIRECTORY) &&
    !mountPoint.endsWith(own);
  const endMs = host.nowMs() + MAX_MOUNT_WAIT_MS;
  while (readWholeMounts(host).some(isOthers)) {
    if (host.nowMs() > endMs) {
      throw new BootError(
        "DISK_BUSY",
        `another dockroot has had ${device} mounted for ${String(MAX_MOUNT_WAIT_MS / 1000)} s`,
        {
          hint: "Wait for it, or end it (ps -ef | grep dockroot), and try again.",
        },
      );
    }
    await host.sleep(MOUNT_POLL_MS);
  }
}

/** Where the system has the volume mounted, else mounted for as long as the work takes. */
export async function withVolume<T>(
  host: Host,
  { filesystem, mountPoint, role }: Volume,
  name: string,
  access: "ro" | "rw",
  work: (at: string) => Promise<T>,
): Promise<T> {
  // A command that waits for the disk's lock has the store mounted; and of a btrfs the kernel allows both at once.
  const isAlone = role !== "store" && filesystem.type !== "btrfs";
  if (isAlone) await awaitOthers(host, filesystem.device);
  if (mountPoint === undefined) {
    return withMounted(host, filesystem, name, access, (at) => {
      // mount(8) makes do with that where the device takes no writes.
      if (access === "rw" && host.files.isReadOnly(at)) {
        throw new BootError(
          "MOUNT_FAILED",
          `${filesystem.device} is write-protected`,
          { hint: "Nothing was changed. See why: dmesg | tail." },
        );
      }
      return work(at);
    });
  }
  if (access === "rw" && host.files.isReadOnly(host.path(mountPoint))) {
    throw new BootError("MOUNT_FAILED", `${mountPoint} is mounted read-only`, {
      hint: `Make it writable: mount -o remount,rw ${mountPoint}`,
    });
  }
  return work(host.path(mountPoint));
}

/** Boot partitions that the system has not mounted. */
export interface BootPartitions {
  readonly mounted: readonly {
    /** Where dockroot has mounted it. */
    readonly at: string;
    readonly device: string;
  }[];
  /** Why others that this machine boots from could not be mounted. */
  readonly unseen: readonly string[];
}

/** Mounts those, read-only, for as long as the work takes. @throws HelperError; and what the work throws */
export async function withBootPartitions<T>(
  host: Host,
  store: Filesystem,
  work: (partitions: BootPartitions) => Promise<T>,
): Promise<T> {
  const volumes = (await listVolumes(host, store)).filter(
    ({ mountPoint }) => mountPoint === undefined,
  );
  const mounted: { at: string; device: string }[] = [];
  const unseen: string[] = [];
  const mountFrom = async (index: number): Promise<T> => {
    const volume = volumes[index];
    if (volume === undefined) return work({ mounted, unseen });
    const { filesystem, isForeign } = volume;
    const { device } = filesystem;
    const name = `boot-partition-${String(index)}`;
    try {
      await awaitOthers(host, device);
      return await withMounted(host, filesystem, name, "ro", (at) => {
        mounted.push({ at, device });
        return mountFrom(index + 1);
      });
    } catch (error) {
      const isMounted = mounted.some((each) => each.device === device);
      if (isMounted || !(error instanceof BootError)) throw error;
      if (!isForeign) unseen.push(summarizeFailure(error));
      return mountFrom(index + 1);
    }
  };
  return mountFrom(0);
}
