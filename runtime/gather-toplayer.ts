import path from "node:path";
import { waitForDevice, type BlockDevice } from "./device.ts";
import { formatDeviceSpec } from "./device-spec.ts";
import type { DiskFacts, TopLayerFacts } from "./facts.ts";
import { followIn } from "./follow-in.ts";
import type { BootContext } from "./boot-context.ts";
import { BootError } from "./host/errors.ts";
import { refuseOverlap } from "./overlap.ts";
import type { TopLayerOptions } from "./system-options.ts";
import { readTopLayer } from "./toplayer.ts";

/**
 * Finds the top layer's directory, mounting its device where it is another than the root device, and
 * lists it.
 * @throws BootError
 */
export async function gatherTopLayer(
  context: BootContext,
  topLayer: TopLayerOptions,
  { device: root, paths }: DiskFacts,
  storePath: string,
): Promise<TopLayerFacts> {
  const { host, recorder, options, topLevel, topLayerMount, mounts } = context;
  const spec = formatDeviceSpec(topLayer.device);
  const name = `${spec}:/${topLayer.path}`;
  const device =
    spec === formatDeviceSpec(options.root)
      ? root
      : await recorder.time(`find the top layer's device ${spec}`, () =>
          waitForDevice(host, topLayer.device, options.deviceTimeoutMs),
        );
  const namesSubvolume = topLayer.mountFlags.some((flag) =>
    /^subvol(?:id)?=(?!\/?$|0*5$)/.test(flag),
  );
  const onRoot = isSameFilesystem(device, root) && !namesSubvolume;
  let base = topLevel;
  if (!onRoot) {
    const fsType = topLayer.fsType ?? device.fsType;
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
  const at = followIn(host, base, topLayer.path);
  if (at === undefined || host.files.statusOf(at)?.kind !== "directory") {
    throw new BootError(
      "TOPLAYER_MISSING",
      `the top layer ${name} is ${at === undefined || host.files.statusOf(at) === undefined ? "absent" : "not a directory"}`,
      {
        cause: new Error(
          `${spec} holds: ${host.files.namesIn(base).slice(0, 20).join(", ") || "nothing"}`,
        ),
        hint: "Correct toplayer= and toplayer_path= in the boot menu entry.",
      },
    );
  }
  refuseOverlap({
    rwlayer: paths.rwlayer,
    storePath,
    topLayer: onRoot ? path.relative(topLevel, at) : undefined,
  });
  const record = await recorder.time(`read the top layer ${name}`, () =>
    readTopLayer(host, at, name),
  );
  return { at, record };
}

function isSameFilesystem(a: BlockDevice, b: BlockDevice): boolean {
  return a.path === b.path || (a.uuid !== undefined && a.uuid === b.uuid);
}
