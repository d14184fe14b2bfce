import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import { waitForDevice } from "../../runtime/disk/device.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import { followIn } from "../../runtime/host/follow-in.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { TopLayerOptions } from "../../runtime/options/options.ts";
import { formatDeviceSpec } from "../../runtime/options/parsers.ts";
import { OWNERLESS } from "../../runtime/toplayer/gather-toplayer.ts";
import type { DeployDisk } from "../deploy/deploy-disk.ts";
import { readBootedOptions } from "../system/boot-target.ts";
import { probeFilesystem, withMounted } from "../system/filesystem.ts";
import { locate } from "../system/formats/fstab.ts";

/** The top layer that changes go to: of several the last one, which wins over the others. */
export interface LayerPlace {
  /** Where its directory is, writable. */
  readonly at: string;
  /** The others that are laid before it. */
  readonly below: readonly string[];
  /** For people. */
  readonly name: string;
}

/**
 * Has the top layer there for as long as the work takes: the one that is named, else that of this boot.
 * @param directory absolute, as the system sees it
 * @throws BootError TOPLAYER_MISSING, TOPLAYER_UNSUITABLE, MOUNT_FAILED, and what the work throws
 */
export async function withLayer<T>(
  host: Host,
  { disk, store }: DeployDisk,
  directory: string | undefined,
  work: (place: LayerPlace) => Promise<T>,
): Promise<T> {
  if (directory !== undefined) {
    const at = host.path(directory);
    return work(requirePlace(host, [at], directory));
  }
  const options = readTopLayer(host);
  const spec = formatDeviceSpec(options.device);
  const name = `${spec}:/${options.paths.at(-1) ?? ""}`;
  const device = await waitForDevice(host, options.device, 0);
  const workIn = (base: string) => {
    const places = options.paths.map(
      (file) => followIn(host, base, file) ?? path.join(base, file),
    );
    return work(requirePlace(host, places, name));
  };
  if (options.mountFlags.some((flag) => flag.startsWith("subvol"))) {
    throw new BootError(
      "TOPLAYER_UNSUITABLE",
      `the top layer ${name} is in a subvolume of its own`,
      { hint: "Mount that, and name the directory: --toplayer DIR." },
    );
  }
  if (device.path === store.device || device.uuid === store.uuid) {
    return workIn(disk.topLevel);
  }
  const filesystem = await probeFilesystem(host, device.path);
  return withMounted(host, filesystem, "toplayer", "rw", workIn);
}

/** @throws BootError TOPLAYER_MISSING */
function readTopLayer(host: Host): TopLayerOptions {
  const options = readBootedOptions(host);
  const topLayer = options instanceof BootError ? undefined : options.topLayer;
  if (topLayer !== undefined) return topLayer;
  throw new BootError(
    "TOPLAYER_MISSING",
    "the kernel options of this boot name no top layer",
    {
      cause: options instanceof BootError ? options : undefined,
      hint: "dockroot toplayer init DIR makes one; name its directory: --toplayer DIR.",
    },
  );
}

/** @throws BootError */
function requirePlace(
  host: Host,
  places: readonly string[],
  name: string,
): LayerPlace {
  const at = places.at(-1) ?? "";
  const fsType = locate(readMounts(host), path.dirname(at))?.mount.fsType ?? "";
  if (OWNERLESS.has(fsType)) {
    throw new BootError(
      "TOPLAYER_UNSUITABLE",
      `the top layer ${name} is on ${fsType}, which stores neither owners nor modes`,
      {
        hint: "Copy by hand what may lose them, or put the top layer on the filesystem with the image store.",
      },
    );
  }
  return { at, below: places.slice(0, -1), name };
}
