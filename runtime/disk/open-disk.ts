import { isComplete, waitForAllDevices } from "./btrfs.ts";
import { concurrently } from "../base/concurrently.ts";
import { formatDeviceSpec, OVERLAY_FILESYSTEMS } from "../options/parsers.ts";
import { describeDevice, waitForDevice, type BlockDevice } from "./device.ts";
import type { BootContext } from "../boot/boot-context.ts";
import { BootError } from "../base/errors.ts";
import { summarizeFailure } from "../base/failure.ts";
import { withSources } from "../options/sources.ts";
import { rwlayerPaths } from "../options/rwlayer-names.ts";
import { Disk } from "./disk.ts";
import { OverlayDisk } from "./overlay/overlay-disk.ts";
import { createSha256 } from "../base/sha256.ts";

/** A former boot, or its `finish`, takes no longer. */
const MAX_RUN_LOCK_WAIT_MS = 60_000;

/** The disk was ours before it was mounted anew. */
const REOPEN_LOCK_WAIT_MS = 10_000;

/** A disk that a boot has found and mounted. */
export type OpenDisk = Disk & {
  readonly device: BlockDevice;
  /** It was mounted to be written to, and takes no writes. */
  readonly isReadOnly: boolean;
};

function createOpenDisk(
  { host, topLevel, options, readOnly, mounts, overlayPlaces }: BootContext,
  device: BlockDevice,
): OpenDisk {
  const { rwlayer, isOverlay } = options.disk;
  return Object.assign(
    isOverlay
      ? new OverlayDisk(host, topLevel, rwlayer, {
          places: overlayPlaces,
          mounts,
        })
      : new Disk(host, topLevel, rwlayer),
    { device, isReadOnly: !readOnly && host.files.isReadOnly(topLevel) },
  );
}

/** Finds the root device and mounts its top level. @throws BootError */
export async function openDisk(context: BootContext): Promise<OpenDisk> {
  const [device] = await concurrently(
    findRootDevice(context),
    lockRunDirectory(context),
  );
  await mountTopLevel(context, device);
  const disk = createOpenDisk(context, device);
  if (context.options.disk.generation === undefined) requireParents(disk);
  return disk;
}

/**
 * After an error a filesystem takes no more writes, and may show what never came to the disk: mounts the top
 * level anew where that has happened.
 * @throws BootError MOUNT_FAILED
 */
export async function reopenTopLevel(
  context: BootContext,
  { device, isReadOnly }: OpenDisk,
): Promise<void> {
  const { host, recorder, topLevel, mounts, lock } = context;
  if (isReadOnly || !host.files.isReadOnly(topLevel)) return;
  recorder.warn(
    `the kernel made ${device.path} read-only after an error: it is mounted again, to see what has reached the disk`,
  );
  await lock.release();
  await mounts.release();
  await mountTopLevel(context, device);
  await recorder.tolerate(() => lock.take(REOPEN_LOCK_WAIT_MS));
}

/** Without it a boot goes on: the disk's own lock decides what may be written. */
async function lockRunDirectory({
  recorder,
  runLock,
}: BootContext): Promise<void> {
  if (runLock === undefined) return;
  await recorder.tolerate(() =>
    recorder.time("lock the run directory", async (tellProgress) => {
      tellProgress(() => "another dockroot may be using it");
      await runLock.take(MAX_RUN_LOCK_WAIT_MS);
    }),
  );
}

async function findRootDevice({
  host,
  recorder,
  options,
}: BootContext): Promise<BlockDevice> {
  const { root, deviceTimeoutMs, isOverlay } = options.disk;
  const spec = formatDeviceSpec(root);
  const device = await withSources(options, ["root"], () =>
    recorder.time(`find the root device ${spec}`, () =>
      waitForDevice(host, root, deviceTimeoutMs),
    ),
  );
  const { fsType } = device;
  const types: readonly string[] = isOverlay ? OVERLAY_FILESYSTEMS : ["btrfs"];
  if (fsType === undefined || types.includes(fsType)) return device;
  throw new BootError(
    "DEVICE_UNSUITABLE",
    `root=${spec} is ${device.path}, which holds ${fsType} and not ${types.join(", ")}`,
    {
      hint: isOverlay
        ? "Correct root= in the boot menu entry."
        : "Correct root= in the boot menu entry. Where the image store is on another filesystem than btrfs, leave subvol= out of rootflags=.",
    },
  );
}

/** Waits for the other devices of a filesystem that has several. */
async function mountTopLevel(
  context: BootContext,
  device: BlockDevice,
): Promise<void> {
  const { host, recorder, options, topLevel } = context;
  const { mountFlags, deviceTimeoutMs } = options.disk;
  const waitForOthers = () =>
    recorder.time(`find all devices of the btrfs on ${device.path}`, () =>
      waitForAllDevices(host, device, deviceTimeoutMs),
    );
  // It would be mounted at once without one that is only late.
  if (mountFlags.includes("degraded") && !(await waitForOthers())) {
    recorder.warn(
      `a device of the btrfs on ${device.path} is missing: it is mounted without that one, because rootflags= has degraded`,
    );
  }
  await recorder.time(`mount ${device.path} at ${topLevel}`, async () => {
    try {
      await mountOnce(context, device);
    } catch (error) {
      if ((device.fsType ?? "btrfs") !== "btrfs") throw error;
      if (await isComplete(host, device)) throw error;
      if (!(await waitForOthers())) {
        throw new BootError(
          "DEVICE_NOT_FOUND",
          `another device of the btrfs on ${describeDevice(device)} did not appear within ${String(deviceTimeoutMs / 1000)} s`,
          {
            cause: error,
            hint: "Attach the disk that is missing, or give a slow one more time with rootdelay=SECONDS. To boot without it, as far as its data is on the others too, add degraded to the flags: rootflags=subvol=...,degraded.",
          },
        );
      }
      await mountOnce(context, device);
    }
  });
}

async function mountOnce(
  { options, topLevel, readOnly, mounts, recorder }: BootContext,
  device: BlockDevice,
): Promise<void> {
  const { fsType = "btrfs" } = device;
  const mountWith = (...access: readonly string[]) =>
    mounts.mount({
      device,
      at: topLevel,
      fsType,
      flags: [
        ...access,
        ...(fsType === "btrfs" ? ["subvolid=5"] : []),
        ...options.disk.mountFlags,
        // What is read here must not be written to: neither sources nor an untouched staging.
        "noatime",
      ],
    });
  const mounted = mountWith(readOnly ? "ro" : "rw");
  // The first hash loads Node's crypto: here, where the processor has nothing else to do.
  createSha256();
  try {
    await mounted;
  } catch (error) {
    const ignoreJournal = IGNORE_JOURNAL[fsType];
    if (
      ignoreJournal === undefined ||
      !TAKES_NO_WRITES.test(summarizeFailure(error))
    ) {
      throw error;
    }
    try {
      await mountWith("ro", ignoreJournal);
    } catch {
      throw error;
    }
    recorder.warn(
      `${describeDevice(device)} takes no writes, and its journal has some that are not in their place: it is mounted read-only, as it is without them`,
    );
  }
}

/** How a filesystem is mounted whose journal cannot be replayed: roots that are overlays boot from it, too. */
const IGNORE_JOURNAL: Readonly<Record<string, string | undefined>> = {
  ext4: "noload",
  xfs: "norecovery",
};

/** What mount(8) says of a disk that is write-protected, or fails when it is written to. */
const TAKES_NO_WRITES = /cannot mount .* read-only|can't read superblock/;

/** A link on the way could lead anywhere, and a rwlayer goes with all that is in it. */
function requireParents(disk: Disk): void {
  const { rwlayer } = disk.paths;
  const kindOf = (file: string) =>
    disk.host.files.statusOf(disk.at(file))?.kind;
  const refuse = (why: string, hint: string) =>
    new BootError(
      "RWLAYER_UNSUITABLE",
      `the rwlayer's place ${rwlayer} cannot be used: ${why}`,
      { hint },
    );
  const option = disk.isOverlay ? "dockroot.root=" : "rootflags=subvol=";
  const parts = rwlayer.split("/");
  for (let depth = 1; depth < parts.length; depth += 1) {
    const parent = parts.slice(0, depth).join("/");
    const kind = kindOf(parent);
    if (kind !== "directory") {
      throw refuse(
        `${parent} is ${kind === undefined ? "absent" : "not a directory"}`,
        `Make that directory on the filesystem's top level, or correct ${option} in the boot menu entry.`,
      );
    }
    if (kindOf(rwlayerPaths(parent).directory) !== undefined) {
      throw refuse(
        `${parent} is a rwlayer itself, and is replaced as a whole`,
        `Choose a place outside of it: ${option} in the boot menu entry.`,
      );
    }
  }
}
