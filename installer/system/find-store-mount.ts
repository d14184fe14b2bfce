import { isSubvolume } from "../../runtime/disk/btrfs.ts";
import { waitForDevice } from "../../runtime/disk/device.ts";
import { formatDeviceSpec } from "../../runtime/options/device-spec.ts";
import { gatherOptions } from "../../runtime/boot/gather-options.ts";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import { locate, type Location } from "./formats/fstab.ts";
import { directoryOf } from "../engines/engine-configs.ts";
import { homeOf } from "../engines/home.ts";
import { readSystemConfigs } from "./system-configs.ts";
import { findSystemStore, type StoreChoice } from "./find-system-store.ts";
import type { StoreMount, UnknownMount } from "../toplayer/plan/make-fstab.ts";

/**
 * How the image store can be mounted: as it is mounted now, else as the kernel options of this start
 * say.
 * @returns or why it cannot be told
 */
export async function findStoreMount(
  host: Host,
  choice: StoreChoice,
): Promise<StoreMount | UnknownMount> {
  const found = findDirectory(host, choice);
  if (found instanceof BootError) {
    return { home: "docker", unknown: found.message };
  }
  const directory = host.path(found);
  if (host.files.statusOfTarget(directory)?.kind === "directory") {
    const home = homeOf(host.files.namesIn(directory));
    const real = host.files.realPath(directory);
    const location = locate(readMounts(host), real);
    if (location?.mount.fsType === "btrfs") {
      return isSubvolume(host, real) && location.path !== ""
        ? {
            ...{ home, subvolume: location.path },
            source: await sourceOf(host, location),
          }
        : {
            home,
            unknown: `${found} is on btrfs, but is no subvolume, which a line of fstab could mount`,
          };
    }
  }
  return fromKernelOptions(host, found);
}

/** Docker's where no store has an image yet, or why none can be chosen. */
function findDirectory(host: Host, choice: StoreChoice): string | BootError {
  try {
    return findSystemStore(host, choice).directory;
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return error.code === "STORE_MISSING"
      ? directoryOf(readSystemConfigs(host), "docker")
      : error;
  }
}

/** The filesystem's UUID, which stays as it is, or where there is none its device. @throws HelperError */
export async function sourceOf(
  host: Host,
  { mount }: Location,
): Promise<string> {
  try {
    const spec = { kind: "path", path: mount.source } as const;
    const { uuid } = await waitForDevice(host, spec, 0);
    return uuid === undefined ? mount.source : `UUID=${uuid}`;
  } catch (error) {
    // A filesystem that is on no device of this machine.
    if (error instanceof BootError) return mount.source;
    throw error;
  }
}

function fromKernelOptions(
  host: Host,
  store: string,
): StoreMount | UnknownMount {
  try {
    const { disk, readSystem } = gatherOptions(host);
    const { storePath, storeKind } = readSystem();
    return {
      home: storeKind === "podman" ? "podman" : "docker",
      source: formatDeviceSpec(disk.root),
      subvolume: storePath,
    };
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return {
      home: "docker",
      unknown: `${store} is not on btrfs, and the kernel options of this start name no image store`,
    };
  }
}
