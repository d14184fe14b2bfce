import path from "node:path";
import { waitForDevice, type BlockDevice } from "../disk/device.ts";
import { formatDeviceSpec } from "../options/parsers.ts";
import type { OpenDisk } from "../disk/open-disk.ts";
import type { TopLayerFacts } from "../plan/facts.ts";
import { followIn } from "../host/follow-in.ts";
import type { BootContext } from "../boot/boot-context.ts";
import { BootError, PrivateError } from "../base/errors.ts";
import type { Host } from "../host/host.ts";
import { findMountAt } from "../disk/mounts.ts";
import { refuseOverlap } from "../options/overlap.ts";
import type { TopLayerOptions } from "../options/options.ts";
import { listLayers } from "./list-layer.ts";

/** Filesystems that keep neither owners nor modes. */
export const OWNERLESS = new Set(["vfat", "msdos", "exfat", "ntfs", "ntfs3"]);

/**
 * Finds the top layer's directories, mounting their device where it is another than the root device,
 * and lists them.
 * @throws BootError
 */
export async function gatherTopLayer(
  context: BootContext,
  topLayer: TopLayerOptions,
  { device: root, paths }: OpenDisk,
  storePath: string,
): Promise<TopLayerFacts> {
  const { host, recorder, options, topLevel, topLayerMount, mounts } = context;
  const spec = formatDeviceSpec(topLayer.device);
  const device =
    spec === formatDeviceSpec(options.disk.root)
      ? root
      : await recorder.time(`find the top layer's device ${spec}`, () =>
          waitForDevice(host, topLayer.device, options.disk.deviceTimeoutMs),
        );
  const namesSubvolume = topLayer.mountFlags.some((flag) =>
    /^subvol(?:id)?=(?!\/?$|0*5$)/.test(flag),
  );
  const onRoot = isSameFilesystem(device, root) && !namesSubvolume;
  const fsType = topLayer.fsType ?? device.fsType;
  let base = topLevel;
  if (!onRoot) {
    const topLevelFlag =
      fsType === "btrfs" && !namesSubvolume ? ["subvolid=5"] : [];
    await recorder.time(
      `mount ${device.path} at ${topLayerMount}`,
      async () => {
        await mounts.mount({
          device,
          at: topLayerMount,
          fsType,
          flags: ["ro", ...topLevelFlag, ...topLayer.mountFlags],
        });
      },
    );
    base = topLayerMount;
  }
  // The option may leave it to mount to detect it.
  const mounted = onRoot
    ? device.fsType
    : findMountAt(host, topLayerMount)?.fsType;
  const isOwnerless = OWNERLESS.has(mounted ?? "");
  const places = topLayer.paths.map((file) => {
    const at = findDirectory(host, base, spec, file);
    refuseOverlap({
      rwlayer: paths.rwlayer,
      storePath,
      topLayer: onRoot ? path.relative(topLevel, at) : undefined,
    });
    return { at, isOwnerless };
  });
  const name = `${spec}:${topLayer.paths.map((file) => `/${file}`).join(":")}`;
  if (isOwnerless) {
    recorder.warn(
      `the top layer ${name} is on ${mounted ?? ""}, which stores neither owners nor modes: its files belong to root in the new root, and only root can read those that look secret`,
    );
  }
  return recorder.time(`read the top layer ${name}`, (tellProgress) =>
    listLayers(host, places, name, tellProgress).catch((cause: unknown) => {
      throw new PrivateError(cause);
    }),
  );
}

/** @throws BootError TOPLAYER_MISSING */
function findDirectory(
  host: Host,
  base: string,
  spec: string,
  file: string,
): string {
  const at = followIn(host, base, file);
  const status = at === undefined ? undefined : host.files.statusOf(at);
  if (at !== undefined && status?.kind === "directory") return at;
  throw new BootError(
    "TOPLAYER_MISSING",
    `the top layer ${spec}:/${file} ${status === undefined ? "does not exist" : "is not a directory"}`,
    {
      cause: new Error(
        `${spec} contains: ${host.files.namesIn(base).slice(0, 20).join(", ") || "nothing"}`,
      ),
      hint: "Correct toplayer= or toplayer_path=.",
    },
  );
}

function isSameFilesystem(a: BlockDevice, b: BlockDevice): boolean {
  return a.path === b.path || (a.uuid !== undefined && a.uuid === b.uuid);
}
