import { isSubvolume } from "../../../../runtime/btrfs.ts";
import { waitForDevice } from "../../../../runtime/device.ts";
import { formatDeviceSpec } from "../../../../runtime/device-spec.ts";
import { gatherOptions } from "../../../../runtime/gather-options.ts";
import { BootError } from "../../../../runtime/host/errors.ts";
import type { Host } from "../../../../runtime/host/host.ts";
import { readMounts } from "../../../../runtime/mounts.ts";
import { locate, type Location } from "../locate.ts";
import type { StoreMount } from "./make-fstab.ts";

/**
 * How the image store can be mounted: as it is mounted now, else as the kernel options of this start
 * say.
 * @param store the engine's directory, absolute
 * @returns or why it cannot be told
 */
export async function findStoreMount(
  host: Host,
  store: string,
): Promise<StoreMount | { readonly unknown: string }> {
  const directory = host.path(store);
  if (host.files.statusOfTarget(directory)?.kind === "directory") {
    const real = host.files.realPath(directory);
    const location = locate(readMounts(host), real);
    if (location?.mount.fsType === "btrfs") {
      return isSubvolume(host, real) && location.path !== ""
        ? {
            source: await sourceOf(host, location),
            subvolume: location.path,
          }
        : {
            unknown: `${store} is on btrfs, but is no subvolume, which a line of fstab could mount`,
          };
    }
  }
  return fromKernelOptions(host, store);
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
): StoreMount | { readonly unknown: string } {
  try {
    const none = { cmdline: undefined, config: undefined };
    const { disk, readSystem } = gatherOptions(host, none);
    return {
      source: formatDeviceSpec(disk.root),
      subvolume: readSystem().storePath,
    };
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return {
      unknown: `${store} is not on btrfs, and the kernel options of this start name no image store`,
    };
  }
}
