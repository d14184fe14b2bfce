import { describeDevice, type BlockDevice } from "./device.ts";
import { BootError } from "./host/errors.ts";
import type { Host } from "./host/host.ts";

export interface MountRequest {
  readonly device: BlockDevice;
  /** Where to mount it; made when absent. */
  readonly at: string;
  readonly fsType: string | undefined;
  readonly flags: readonly string[];
}

const MAX_MOUNTINFO_BYTES = 16 * 1024 * 1024;

/** What was mounted, to be released in reverse. */
export interface MountStack {
  /** @throws BootError MOUNT_FAILED */
  mount(request: MountRequest): Promise<void>;
  /**
   * Unmounts all of it, or all but `keep`.
   * @throws BootError MOUNT_FAILED
   */
  release(keep?: string): Promise<void>;
}

export function createMountStack(host: Host): MountStack {
  const points: string[] = [];
  return {
    mount: async (request) => {
      await mountDevice(host, request);
      points.push(request.at);
    },
    release: async (keep) => {
      for (const point of points.toReversed()) {
        if (point === keep) continue;
        await unmount(host, point);
        points.splice(points.indexOf(point), 1);
      }
    },
  };
}

async function mountDevice(
  host: Host,
  { device, at, fsType, flags }: MountRequest,
): Promise<void> {
  host.files.ensureDirectories(at);
  try {
    await host.run([
      "mount",
      ...(fsType === undefined ? [] : ["-t", fsType]),
      "-o",
      flags.join(","),
      "--",
      device.path,
      at,
    ]);
  } catch (cause) {
    host.files.removeEmptyDirectory(at);
    throw new BootError(
      "MOUNT_FAILED",
      `cannot mount ${describeDevice(device)} with -o ${flags.join(",")}`,
      {
        cause,
        hint: "The kernel log may say more: dmesg | tail. A missing module (btrfs, vfat, ...) must be added to the initramfs; a wrong flag is corrected in the boot menu entry.",
      },
    );
  }
}

/** Unmounts and removes the mount point. @throws BootError MOUNT_FAILED */
export async function unmount(host: Host, at: string): Promise<void> {
  try {
    await host.run(["umount", "--", at]);
  } catch (cause) {
    throw new BootError("MOUNT_FAILED", `cannot unmount ${at}`, {
      cause,
      hint: "Something uses it; the machine can go on with it.",
    });
  }
  host.files.removeEmptyDirectory(at);
}

/** Whether something is mounted right there. */
export function isMountPoint(host: Host, at: string): boolean {
  const text = host.readText("/proc/self/mountinfo", MAX_MOUNTINFO_BYTES) ?? "";
  return parseMountPoints(text).includes(at);
}

/**
 * The mount points in /proc/self/mountinfo.
 * @see https://www.kernel.org/doc/html/latest/filesystems/proc.html (section 3.5)
 */
export function parseMountPoints(mountinfo: string): string[] {
  return mountinfo.split("\n").flatMap((line) => {
    const field = line.split(" ")[4];
    if (field === undefined) return [];
    return [
      field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      ),
    ];
  });
}
