import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import { summarizeFailure } from "../../runtime/base/failure.ts";
import { parseBlkid, waitForDevice } from "../../runtime/disk/device.ts";
import { mountDevice, unmount } from "../../runtime/disk/mount-stack.ts";
import { isMountPoint, readMounts } from "../../runtime/disk/mounts.ts";
import { DEFAULT_RUN_DIRECTORY } from "../../runtime/disk/run-directory.ts";
import type { Host } from "../../runtime/host/host.ts";
import { holdSignals } from "./hold-signals.ts";

/** A filesystem as a boot loader can know it. */
export interface Filesystem {
  /** Its path below /dev. */
  readonly device: string;
  readonly type: string;
  readonly uuid: string | undefined;
  readonly label: string | undefined;
  /** Whether no other filesystem that is here has its label. */
  readonly isLabelUnique: boolean;
  /** `undefined` where it is on a whole disk, or on no partition. */
  readonly partition: Partition | undefined;
  /** Whether it lies on a device that the kernel makes (LUKS, LVM), which few boot loaders see. */
  readonly isMapped: boolean;
}

/** Where a filesystem is on its disk. */
interface Partition {
  /** Of a GPT partition a GUID. */
  readonly uuid: string | undefined;
  /** What it is for: of a GPT partition a GUID, in an MBR `0x` and two digits. */
  readonly type: string | undefined;
  readonly isGpt: boolean;
  readonly number: number | undefined;
  /** The disk's path below /dev; as blkid tells it, its `major:minor`. */
  readonly disk: string | undefined;
}

/** blkid's status for "nothing found". */
const BLKID_NOTHING = 2;

/**
 * @param device a path below /dev
 * @throws HelperError
 */
export async function probeFilesystem(
  host: Host,
  device: string,
): Promise<Filesystem> {
  const { stdout } = await host.run(["blkid", "-p", "-o", "udev", device], {
    okExitCodes: [0, BLKID_NOTHING],
  });
  const probed = parseBlkidProbe(stdout.toString("utf8"));
  const { uuid, label, partition } = probed;
  return {
    ...probed,
    device,
    isLabelUnique: label !== undefined && (await isUnique(host, label, uuid)),
    partition: partition && {
      ...partition,
      disk: nameDisk(host, partition.disk),
    },
    isMapped: isMapped(host, device),
  };
}

/** What `blkid -p -o udev` tells of one device. */
export function parseBlkidProbe(
  text: string,
): Pick<Filesystem, "type" | "uuid" | "label" | "partition"> {
  const [values] = parseBlkid(text);
  const scheme = values?.get("ID_PART_ENTRY_SCHEME");
  const number = values?.get("ID_PART_ENTRY_NUMBER");
  const label = values?.get("ID_FS_LABEL_ENC");
  return {
    type: values?.get("ID_FS_TYPE") ?? "",
    uuid: values?.get("ID_FS_UUID"),
    label: label === undefined ? undefined : decode(label),
    partition:
      scheme === undefined
        ? undefined
        : {
            uuid: values?.get("ID_PART_ENTRY_UUID"),
            type: values?.get("ID_PART_ENTRY_TYPE"),
            isGpt: scheme === "gpt",
            number: number === undefined ? undefined : Number(number),
            disk: values?.get("ID_PART_ENTRY_DISK"),
          },
  };
}

/** All that is not plain is `\xNN`, byte for byte; what is not escaped may be UTF-8. */
function decode(encoded: string): string {
  const bytes = Buffer.from(encoded, "utf8")
    .toString("latin1")
    .replace(/\\x([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
  return Buffer.from(bytes, "latin1").toString("utf8");
}

async function isUnique(
  host: Host,
  label: string,
  uuid: string | undefined,
): Promise<boolean> {
  const spec = { kind: "tag", tag: "LABEL", value: label } as const;
  try {
    return (await waitForDevice(host, spec, 0)).uuid === uuid;
  } catch (error) {
    // There are several, or blkid knows it by another spelling.
    if (error instanceof BootError) return false;
    throw error;
  }
}

/** @param disk `major:minor` */
function nameDisk(host: Host, disk: string | undefined): string | undefined {
  if (disk === undefined) return undefined;
  const link = host.path(`/sys/dev/block/${disk}`);
  if (host.files.statusOfTarget(link)?.kind !== "directory") return undefined;
  // The kernel writes a slash in a device's name as an exclamation mark.
  const name = path.basename(host.files.realPath(link)).replaceAll("!", "/");
  return `/dev/${name}`;
}

function isMapped(host: Host, device: string): boolean {
  const file = host.path(device);
  const real =
    host.files.statusOfTarget(file) === undefined
      ? device
      : host.files.realPath(file);
  return [device, real].some((name) => /\/dev\/(?:mapper\/|dm-)/.test(name));
}

/**
 * Mounts a filesystem's top level read-only for as long as the work takes.
 * @param work is told whether the top level is the default subvolume, too
 * @throws BootError MOUNT_FAILED, HelperError
 */
export async function withTopLevel<T>(
  host: Host,
  filesystem: Filesystem,
  work: (topLevel: string, isDefault: boolean) => Promise<T>,
): Promise<T> {
  return withMounted(host, filesystem, "boot-entry", "ro", async (at) =>
    work(
      at,
      filesystem.type !== "btrfs" || (await isDefaultSubvolume(host, at)),
    ),
  );
}

/** Whether what is mounted without naming a subvolume is a btrfs's top level. @throws HelperError */
export async function isDefaultSubvolume(
  host: Host,
  topLevel: string,
): Promise<boolean> {
  const getDefault = ["btrfs", "subvolume", "get-default", topLevel];
  const { stdout } = await host.run(getDefault);
  return /^ID 5 /.test(stdout.toString("utf8"));
}

const FLAGS: Readonly<Record<string, readonly string[]>> = {
  btrfs: ["subvolid=5"],
  // A directory is on the disk before the name of it: without its first entries, as a power failure may leave it, Linux
  // neither reads it nor removes it, and fsck.vfat leaves it so.
  vfat: ["dirsync"],
};

/**
 * Mounts a filesystem, of a btrfs the top level, for as long as the work takes.
 * @param name of the mount point, which nobody else in this process has
 * @throws BootError MOUNT_FAILED
 */
export async function withMounted<T>(
  host: Host,
  { device, uuid, label, type }: Filesystem,
  name: string,
  access: "ro" | "rw",
  work: (at: string) => Promise<T>,
): Promise<T> {
  const runDirectory = host.path(DEFAULT_RUN_DIRECTORY);
  const at = path.join(runDirectory, `${name}-${String(host.processId)}`);
  return holdSignals(async () => {
    try {
      await unmountStale(host, runDirectory);
      await mountDevice(host, {
        device: { path: device, fsType: type, uuid, label },
        at,
        fsType: type,
        flags: [access, "noatime", ...(FLAGS[type] ?? [])],
      });
      return await work(at);
    } finally {
      // Whatever became of the helper that mounted it: Ctrl-C ends helpers, too.
      while (isMountPoint(host, at)) await unmount(host, at);
      host.files.removeUnusedDirectory(runDirectory);
    }
  });
}

/** What a dockroot that was killed has left mounted; what somebody uses stays. */
async function unmountStale(host: Host, runDirectory: string): Promise<void> {
  for (const { mountPoint } of readMounts(host).toReversed()) {
    const [name = ""] = path.relative(runDirectory, mountPoint).split("/");
    const [, processId] = /-(\d+)$/.exec(name) ?? [];
    if (processId === undefined) continue;
    if (host.files.statusOf(host.path(`/proc/${processId}`))) continue;
    await unmount(host, mountPoint).catch((error: unknown) => {
      host.log.warn(summarizeFailure(error));
    });
  }
}
