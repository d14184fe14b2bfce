import path from "node:path";
import { isSubvolume, readSubvolumeUuid } from "./btrfs.ts";
import { formatDeviceSpec } from "./device-spec.ts";
import { waitForDevice, type BlockDevice } from "./device.ts";
import { BootError } from "./host/errors.ts";
import type { Host } from "./host/host.ts";
import { formatImageReference } from "./image-ref.ts";
import { followIn } from "./follow-in.ts";
import type { GatherRequest } from "./gather-request.ts";
import { gatherTopLayer } from "./gather-toplayer.ts";
import { readKernelRelease } from "./machine.ts";
import type { BootFacts, Standing } from "./plan.ts";
import { readState, rwlayerPaths } from "./rwlayer-state.ts";
import { openStore } from "./stores/open-store.ts";

/** What an image's config calls this machine. */
const GO_ARCHITECTURES: Record<string, string> = {
  x64: "amd64",
  arm64: "arm64",
};

/** Mounts what is needed and asks the disk. @throws BootError */
export async function gatherFacts(request: GatherRequest): Promise<BootFacts> {
  const { host, recorder, options, topLevel } = request;
  const device = await mountTopLevel(request);
  const storePath = followToTopLevel(
    host,
    topLevel,
    options.storePath,
    "docker_path",
  );
  const reference = formatImageReference(options.image);
  const image = await recorder.time(
    `find the image ${reference} in ${storePath}`,
    () => openStore({ host, topLevel, path: storePath }).find(options.image),
  );
  const machine = GO_ARCHITECTURES[host.architecture];
  if (image.architecture !== undefined && image.architecture !== machine) {
    recorder.warn(
      `the image ${reference} is made for ${image.architecture}, this machine is ${machine ?? host.architecture}`,
    );
  }
  const paths = rwlayerPaths(options.rwlayer);
  requireParents(host, topLevel, paths.rwlayer);
  return {
    reference: options.image,
    image,
    storePath,
    paths,
    state: readState(host, topLevel, paths),
    ...(await recorder.time(`look at ${paths.rwlayer}`, async () => ({
      rwlayer: await standingAt(host, path.join(topLevel, paths.rwlayer)),
      staging: await standingAt(host, path.join(topLevel, paths.staging)),
    }))),
    generations: host.files.namesIn(path.join(topLevel, paths.generations)),
    topLayer:
      options.topLayer === undefined
        ? undefined
        : await gatherTopLayer(request, options.topLayer, device),
    init: options.init,
    kernelRelease: readKernelRelease(host),
  };
}

async function mountTopLevel({
  host,
  recorder,
  options,
  topLevel,
  readOnly,
  mounts,
}: GatherRequest): Promise<BlockDevice> {
  const spec = formatDeviceSpec(options.root);
  const device = await recorder.time(`find the root device ${spec}`, () =>
    waitForDevice(host, options.root, options.deviceTimeoutMs),
  );
  if (device.fsType !== undefined && device.fsType !== "btrfs") {
    throw new BootError(
      "DEVICE_UNSUITABLE",
      `root=${spec} is ${device.path}, which holds ${device.fsType} and not btrfs`,
      {
        hint: "The image store must be on btrfs: its layers are subvolumes. Correct root= in the boot menu entry.",
      },
    );
  }
  await recorder.time(`mount ${device.path} at ${topLevel}`, async () => {
    await mounts.mount({
      device,
      at: topLevel,
      fsType: "btrfs",
      flags: [readOnly ? "ro" : "rw", "subvolid=5", ...options.mountFlags],
    });
  });
  if (!readOnly && host.files.isReadOnly(topLevel)) {
    throw new BootError(
      "DEVICE_UNSUITABLE",
      `${device.path} can be mounted read-only alone`,
      {
        hint: "A write-protected disk, or a filesystem with errors: dmesg | tail. Nothing was changed.",
      },
    );
  }
  return device;
}

/** A user's path with its symlinks resolved inside the top level. */
function followToTopLevel(
  host: Host,
  topLevel: string,
  file: string,
  option: string,
): string {
  const resolved = followIn(host, topLevel, file);
  if (resolved === undefined) {
    throw new BootError(
      "STORE_MISSING",
      `${option}=${file} leads through symlinks that loop`,
      { hint: `Correct ${option}=, or the symlinks.` },
    );
  }
  return path.relative(topLevel, resolved);
}

function requireParents(host: Host, topLevel: string, rwlayer: string): void {
  const parts = rwlayer.split("/").slice(0, -1);
  for (let depth = 1; depth <= parts.length; depth += 1) {
    const parent = parts.slice(0, depth).join("/");
    const kind = host.files.statusOf(path.join(topLevel, parent))?.kind;
    if (kind === "directory") continue;
    throw new BootError(
      "RWLAYER_UNSUITABLE",
      `the rwlayer's place ${rwlayer} cannot be used: ${parent} is ${kind === undefined ? "absent" : "not a directory"}`,
      {
        hint: "Make that directory on the filesystem's top level, or correct rootflags=subvol= in the boot menu entry.",
      },
    );
  }
}

async function standingAt(host: Host, file: string): Promise<Standing> {
  if (host.files.statusOf(file) === undefined) return { kind: "nothing" };
  if (!isSubvolume(host, file)) return { kind: "other" };
  return { kind: "subvolume", uuid: await readSubvolumeUuid(host, file) };
}
