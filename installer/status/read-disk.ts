import path from "node:path";
import type { DeviceSpec } from "../../runtime/options/parsers.ts";
import {
  describeDevice,
  waitForDevice,
  type BlockDevice,
} from "../../runtime/disk/device.ts";
import { BootError } from "../../runtime/base/errors.ts";
import { limitHelpers, type Host } from "../../runtime/host/host.ts";
import { mountDevice, unmount } from "../../runtime/disk/mount-stack.ts";
import { isMountPoint } from "../../runtime/disk/mounts.ts";
import { requireOwnRunDirectory } from "../../runtime/disk/run-directory.ts";
import { holdSignals } from "../system/hold-signals.ts";
import { readRoots, type KnownRoot } from "./read-roots.ts";
import type { BootedStatus } from "../../runtime/records/boot-record.ts";
import type { Deployments } from "../../runtime/records/deployments.ts";
import { readDeployments } from "../../runtime/disk/deployments-file.ts";
import { findBad, findDeployment, inMenu } from "../deploy/plan/deployments.ts";
import type {
  DeploymentsStatus,
  DiskStatus,
  LastFailure,
} from "./formats/status.ts";
import { Disk } from "../../runtime/disk/disk.ts";
import { listMissing } from "../../runtime/disk/overlay/layers.ts";
import { OverlayDisk } from "../../runtime/disk/overlay/overlay-disk.ts";
import { readHeldLayers } from "./disk-usage.ts";
import type { Gaps } from "./unreadable.ts";

/** Everything is there already: what takes longer hangs. */
const HELPER_TIMEOUT_MS = 30_000;

/**
 * Mounts the top level of the filesystem that booted, read-only and for as long as it takes to read
 * what is dockroot's there.
 * @param runDirectory gets the mount point
 */
export async function readDisk(
  unlimited: Host,
  runDirectory: string,
  booted: BootedStatus,
  gaps: Gaps,
): Promise<DiskStatus> {
  const limited = limitHelpers(unlimited, HELPER_TIMEOUT_MS);
  const topLevel = path.join(
    runDirectory,
    `status-${String(limited.processId)}`,
  );
  const found = await holdSignals(async (interruption) => {
    const read = await gaps.attempt("the disk", async () => {
      const host = runsNothingAfter(interruption, limited);
      const root = requireKnownRoot(booted);
      requireOwnRunDirectory(host, runDirectory);
      const device = await findDisk(host, booted);
      const { fsType = "btrfs" } = device;
      const whole = fsType === "btrfs" ? ["subvolid=5"] : [];
      await mountDevice(host, {
        ...{ device, at: topLevel, fsType },
        flags: ["ro", "noatime", ...whole],
      });
      const isOverlay = booted.isOverlay === true;
      const disk = new (isOverlay ? OverlayDisk : Disk)(
        ...([host, topLevel, root.rwlayer] as const),
      );
      await requireSameDisk(disk, device, booted, root);
      return {
        roots: await readRoots(disk, root, gaps),
        heldLayers: await readHeldLayers(disk, gaps),
        deployments: await gaps.attempt("the deployments", () =>
          summarizeDeployments(readDeployments(disk), booted.deployment),
        ),
        lastFailure: await readLastFailure(disk, gaps),
      };
    });
    await gaps.attempt("the disk to its end", async () => {
      // Whatever became of the helper that mounted it: Ctrl-C ends helpers, too.
      while (isMountPoint(limited, topLevel)) await unmount(limited, topLevel);
    });
    return read;
  });
  return found ?? NOTHING_READ;
}

export const NOTHING_READ: DiskStatus = {
  roots: null,
  heldLayers: null,
  deployments: null,
  lastFailure: null,
};

function summarizeDeployments(
  state: Deployments,
  running: number | null,
): DeploymentsStatus | null {
  const shown = inMenu(state);
  if (shown.length === 0) return null;
  const sizes = new Map(
    shown.map(({ kernel: { digest, bytes } }) => [digest, bytes]),
  );
  const next = findDeployment(state, state.next);
  const runs = findDeployment(state, running);
  const bad = findBad(state, running ?? undefined);
  return {
    count: shown.length,
    bootFileBytes: [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0),
    next:
      next === undefined
        ? null
        : { n: next.n, image: next.image, kernel: next.kernel.release },
    tries: runs?.state === "candidate" ? runs.tries : null,
    bad:
      bad === undefined
        ? null
        : {
            ...{ n: bad.n, image: bad.image, failure: bad.failure },
            errors: bad.errors ?? [],
          },
  };
}

/** The same machine, where no helper starts any more after the interruption. */
function runsNothingAfter(interruption: AbortSignal, host: Host): Host {
  return {
    ...host,
    run: (argv, options) =>
      interruption.aborted
        ? Promise.reject(new BootError("STEP_FAILED", "interrupted"))
        : host.run(argv, options),
  };
}

/** By the filesystem's UUID: the device may have another name by now. @throws BootError */
async function findDisk(
  host: Host,
  { device, filesystemUuid }: BootedStatus,
): Promise<BlockDevice> {
  const spec: DeviceSpec | undefined =
    filesystemUuid !== null
      ? { kind: "tag", tag: "UUID", value: filesystemUuid }
      : device !== null
        ? { kind: "path", path: device }
        : undefined;
  if (spec === undefined) {
    throw new BootError(
      "DEVICE_NOT_FOUND",
      "boot.json does not tell which disk booted",
    );
  }
  return waitForDevice(host, spec, 0);
}

/** @throws BootError where boot.json does not tell enough to know the root again */
function requireKnownRoot({
  subvolumeUuid,
  rwlayer,
  filesystemUuid,
}: BootedStatus): KnownRoot {
  if (subvolumeUuid === null || rwlayer === null) {
    throw new BootError(
      "FILE_UNREADABLE",
      "boot.json does not tell which root booted",
    );
  }
  return { subvolumeUuid, rwlayer, filesystemUuid };
}

/** @throws BootError where the root that booted is not on this disk */
async function requireSameDisk(
  disk: Disk,
  device: BlockDevice,
  { layers }: BootedStatus,
  { subvolumeUuid }: KnownRoot,
): Promise<void> {
  if (disk.isOverlay) {
    // A root that is in memory has left nothing else there.
    const missing = listMissing(
      disk,
      (layers ?? []).map((key) => ({ key })),
    );
    const isThere = disk
      .readState()
      .subvolumes.some(({ uuid }) => uuid === subvolumeUuid);
    if (isThere || (layers !== null && missing.length === 0)) return;
  } else if ((await disk.findSubvolume(subvolumeUuid)) !== undefined) return;
  throw new BootError(
    "DEVICE_UNSUITABLE",
    `${describeDevice(device)} does not hold the root that booted, of UUID ${subvolumeUuid}`,
    { hint: "Was the disk exchanged, or that root deleted?" },
  );
}

const MAX_LOG_BYTES = 64 * 1024;

/** Reads the beginning of last-failure.log; `null` where no boot has failed. */
function readLastFailure(disk: Disk, gaps: Gaps): Promise<LastFailure | null> {
  const { directory, lastFailure } = disk.paths;
  return gaps.attempt("the last failure", () => {
    if (!disk.hasDirectory(directory)) return null;
    const file = disk.at(lastFailure);
    const start = disk.host.files.readStart(file, MAX_LOG_BYTES);
    if (start === undefined) return null;
    const { bytes, isWhole } = start;
    return { path: lastFailure, text: bytes.toString("utf8"), isWhole };
  });
}
