import path from "node:path";
import { isSubvolume, readSubvolume } from "./btrfs.ts";
import {
  describeIncomplete,
  isComplete,
  waitForAllDevices,
} from "./btrfs-devices.ts";
import { formatDeviceSpec } from "./device-spec.ts";
import { waitForDevice, type BlockDevice } from "./device.ts";
import type { DiskFacts, Standing } from "./facts.ts";
import type { GatherRequest } from "./gather-request.ts";
import { BootError } from "./host/errors.ts";
import type { Host } from "./host/host.ts";
import {
  emptyState,
  findRecord,
  rwlayerPaths,
  type RwlayerPaths,
  type RwlayerState,
} from "./rwlayer-state.ts";
import { readState } from "./state-file.ts";

/** Mounts the top level and looks at what is ours there. @throws BootError */
export async function gatherDisk(request: GatherRequest): Promise<DiskFacts> {
  const { host, recorder, options, topLevel } = request;
  const device = await findRootDevice(request);
  await mountTopLevel(request, device);
  const paths = rwlayerPaths(options.rwlayer);
  return {
    device,
    isReadOnly: !request.readOnly && host.files.isReadOnly(topLevel),
    ...(await recorder.time(`look at ${paths.rwlayer}`, () =>
      lookAtRwlayer(host, topLevel, paths),
    )),
  };
}

/** What stands there now. @throws HelperError, BootError */
export async function lookAtRwlayer(
  host: Host,
  topLevel: string,
  paths: RwlayerPaths,
): Promise<Omit<DiskFacts, "device" | "isReadOnly">> {
  const { state, stateDamage } = tryToReadState(host, topLevel, paths);
  return {
    paths,
    state,
    stateDamage,
    rwlayer: await standingAt(host, topLevel, paths.rwlayer, state),
    generations: host.files.namesIn(path.join(topLevel, paths.generations)),
  };
}

/**
 * What stands at a path on the top level.
 * @param file relative to the top level
 * @throws HelperError, BootError
 */
export async function standingAt(
  host: Host,
  topLevel: string,
  file: string,
  state: RwlayerState,
): Promise<Standing> {
  const whole = path.join(topLevel, file);
  if (host.files.statusOf(whole) === undefined) return { kind: "nothing" };
  if (!isSubvolume(host, whole)) return { kind: "other" };
  const subvolume = await readSubvolume(host, whole);
  const record = findRecord(state, subvolume.uuid);
  return { kind: "subvolume", subvolume, record };
}

function tryToReadState(
  host: Host,
  topLevel: string,
  paths: RwlayerPaths,
): Pick<DiskFacts, "state" | "stateDamage"> {
  try {
    requireOwnDirectory(host, topLevel, paths);
    const state = readState(host, topLevel, paths);
    return { state, stateDamage: undefined };
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return { state: emptyState(paths.rwlayer), stateDamage: error };
  }
}

/** A link there could lead anywhere. */
function requireOwnDirectory(
  host: Host,
  topLevel: string,
  { directory }: RwlayerPaths,
): void {
  for (const own of [path.dirname(directory), directory]) {
    const kind = host.files.statusOf(path.join(topLevel, own))?.kind;
    if (kind === undefined || kind === "directory") continue;
    throw new BootError("FILE_UNREADABLE", `${own} is not a directory`, {
      hint: "Rename it: dockroot keeps what it knows of its subvolumes there.",
    });
  }
}

/**
 * After an error btrfs takes no more writes, and shows what never came to the disk: mounts the top
 * level anew where that has happened.
 * @throws BootError MOUNT_FAILED
 */
export async function reopenTopLevel(
  request: GatherRequest,
  { device, isReadOnly }: DiskFacts,
): Promise<void> {
  const { host, recorder, topLevel, mounts } = request;
  if (isReadOnly || !host.files.isReadOnly(topLevel)) return;
  recorder.warn(
    `an error made ${device.path} read-only: it is mounted anew, and shows what is on it`,
  );
  await mounts.release();
  await mountTopLevel(request, device);
}

async function findRootDevice({
  host,
  recorder,
  options,
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
  return device;
}

/** Waits for the other devices of a filesystem that has several. */
async function mountTopLevel(
  request: GatherRequest,
  device: BlockDevice,
): Promise<void> {
  const { host, recorder, options, topLevel } = request;
  const waitForOthers = () =>
    recorder.time(`find all devices of the btrfs on ${device.path}`, () =>
      waitForAllDevices(host, device, options.deviceTimeoutMs),
    );
  // It would be mounted at once without one that is only late.
  if (options.mountFlags.includes("degraded") && !(await waitForOthers())) {
    recorder.warn(
      `a device of the btrfs on ${device.path} is missing: it is mounted without it, as rootflags=degraded says`,
    );
  }
  await recorder.time(`mount ${device.path} at ${topLevel}`, async () => {
    try {
      await mountOnce(request, device);
    } catch (error) {
      if (await isComplete(host, device)) throw error;
      if (!(await waitForOthers())) {
        throw describeIncomplete(device, options.deviceTimeoutMs, error);
      }
      await mountOnce(request, device);
    }
  });
}

function mountOnce(
  { options, topLevel, readOnly, mounts }: GatherRequest,
  device: BlockDevice,
): Promise<void> {
  return mounts.mount({
    device,
    at: topLevel,
    fsType: "btrfs",
    flags: [
      readOnly ? "ro" : "rw",
      "subvolid=5",
      ...options.mountFlags,
      // What is read here must not be written to: neither sources nor an untouched staging.
      "noatime",
    ],
  });
}
