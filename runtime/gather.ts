import path from "node:path";
import { followIn } from "./bootable.ts";
import { isSubvolume, readSubvolumeUuid } from "./btrfs.ts";
import { parseCmdline } from "./cmdline.ts";
import { waitForDevice, type BlockDevice } from "./device.ts";
import { BootError, UsageError } from "./host/errors.ts";
import type { Host } from "./host/host.ts";
import { formatImageReference } from "./image-ref.ts";
import { isMountPoint, mountDevice, unmount } from "./mounts.ts";
import {
  formatDeviceSpec,
  readBootOptions,
  type BootOptions,
  type ConfigSource,
  type TopLayerOptions,
} from "./options.ts";
import type { BootFacts, Standing, TopLayerFacts } from "./plan.ts";
import type { Recorder } from "./report.ts";
import { readState, rwlayerPaths } from "./rwlayer-state.ts";
import { openStore } from "./stores/open-store.ts";

const CONFIG_FILES = ["/etc/dockroot.json", "/etc/docker-btrfs.json"];
const MAX_TEXT_BYTES = 64 * 1024;
/** What an image's config calls this machine. */
const GO_ARCHITECTURES: Record<string, string> = {
  x64: "amd64",
  arm64: "arm64",
};

/** Files to read instead of the machine's own. */
export interface OptionFiles {
  readonly cmdline: string | undefined;
  readonly config: string | undefined;
}

/** Reads the kernel command line and the configuration. @throws BootError, UsageError */
export function gatherOptions(host: Host, given: OptionFiles): BootOptions {
  const cmdline =
    given.cmdline === undefined
      ? host.readText("/proc/cmdline", MAX_TEXT_BYTES)
      : host.files.readText(given.cmdline, MAX_TEXT_BYTES);
  if (cmdline === undefined) {
    throw given.cmdline === undefined
      ? new BootError("INVALID_CMDLINE", "there is no /proc/cmdline", {
          hint: "Mount /proc first.",
        })
      : new UsageError(`--cmdline: there is no file ${given.cmdline}`);
  }
  return readBootOptions(
    parseCmdline(cmdline),
    gatherConfig(host, given.config),
  );
}

function gatherConfig(
  host: Host,
  given: string | undefined,
): ConfigSource | undefined {
  if (given !== undefined) {
    const text = host.files.readText(given, MAX_TEXT_BYTES);
    if (text === undefined) {
      throw new UsageError(`--config: there is no file ${given}`);
    }
    return { file: given, text };
  }
  for (const file of CONFIG_FILES) {
    const text = host.readText(file, MAX_TEXT_BYTES);
    if (text !== undefined) return { file, text };
  }
  return undefined;
}

/** What `gatherFacts` mounts is released by whoever called it. */
export interface Mounted {
  /** The mount points, in the order in which they were mounted. */
  readonly points: string[];
}

export interface GatherRequest {
  readonly host: Host;
  readonly recorder: Recorder;
  readonly options: BootOptions;
  readonly topLevel: string;
  /** Where to mount a top layer that is on another device. */
  readonly topLayerMount: string;
  readonly readOnly: boolean;
  readonly mounted: Mounted;
}

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

export function readKernelRelease(host: Host): string {
  return (
    host.readText("/proc/sys/kernel/osrelease", MAX_TEXT_BYTES) ?? ""
  ).trim();
}

async function mountTopLevel({
  host,
  recorder,
  options,
  topLevel,
  readOnly,
  mounted,
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
  if (isMountPoint(host, topLevel)) await unmount(host, topLevel);
  await recorder.time(`mount ${device.path} at ${topLevel}`, async () => {
    await mountDevice(host, {
      device,
      at: topLevel,
      fsType: "btrfs",
      flags: [readOnly ? "ro" : "rw", "subvolid=5", ...options.mountFlags],
    });
  });
  mounted.points.push(topLevel);
  return device;
}

async function gatherTopLayer(
  request: GatherRequest,
  topLayer: TopLayerOptions,
  root: BlockDevice,
): Promise<TopLayerFacts> {
  const { host, recorder, options, topLevel, topLayerMount, mounted } = request;
  const spec = formatDeviceSpec(topLayer.device);
  const name = `${spec}:/${topLayer.path}`;
  const device =
    spec === formatDeviceSpec(options.root)
      ? root
      : await recorder.time(`find the top layer's device ${spec}`, () =>
          waitForDevice(host, topLayer.device, options.deviceTimeoutMs),
        );
  const namesSubvolume = topLayer.mountFlags.some((flag) =>
    /^subvol(?:id)?=/.test(flag),
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
        await mountDevice(host, {
          device,
          at: topLayerMount,
          fsType,
          flags: ["ro", ...topLevelFlag, ...topLayer.mountFlags],
        });
      },
    );
    mounted.points.push(topLayerMount);
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
  return {
    at,
    name,
    onTopLevel: onRoot ? path.relative(topLevel, at) : undefined,
  };
}

function isSameFilesystem(a: BlockDevice, b: BlockDevice): boolean {
  return a.path === b.path || (a.uuid !== undefined && a.uuid === b.uuid);
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
