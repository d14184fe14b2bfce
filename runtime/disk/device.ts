import path from "node:path";
import { escapeControl } from "../base/escape.ts";
import { BootError } from "../base/errors.ts";
import type { Host } from "../host/host.ts";
import { formatDeviceSpec, type DeviceSpec } from "../options/parsers.ts";

/** A block device as blkid sees it. */
export interface BlockDevice {
  /** Its path below /dev, symlinks resolved. */
  readonly path: string;
  readonly fsType?: string | undefined;
  readonly uuid?: string | undefined;
  /** btrfs's own of each device, where a filesystem has several: all share `uuid`. */
  readonly deviceUuid?: string | undefined;
  /** For people only: blkid escapes what is not plain ASCII. */
  readonly label?: string | undefined;
}

/** Short: to look costs some 50 µs, and blkid is asked only where something has changed. */
const POLL_MS = 10;
const RESCAN_MS = 1000;
const MAX_PROC_BYTES = 1024 * 1024;
/** blkid's status for "nothing found". */
const BLKID_NOTHING = 2;

/**
 * Finds the device, waiting for one that is not there yet.
 * @throws BootError DEVICE_NOT_FOUND after `timeoutMs`, with the devices that are there;
 *   DEVICE_AMBIGUOUS where several filesystems answer to the same label
 */
export async function waitForDevice(
  host: Host,
  spec: DeviceSpec,
  timeoutMs: number,
): Promise<BlockDevice> {
  const started = host.nowMs();
  let scanned: { at: number; partitions: string } | undefined;
  for (;;) {
    const partitions = host.readText("/proc/partitions", MAX_PROC_BYTES) ?? "";
    const now = host.nowMs();
    if (
      partitions !== scanned?.partitions ||
      now - scanned.at >= RESCAN_MS ||
      spec.kind === "path"
    ) {
      scanned = { at: now, partitions };
      const device = chooseDevice(spec, await findDevices(host, spec));
      if (device !== undefined) return device;
    }
    if (now - started >= timeoutMs) {
      throw await describeMissing(host, spec, timeoutMs);
    }
    await host.sleep(POLL_MS);
  }
}

async function findDevices(
  host: Host,
  spec: DeviceSpec,
): Promise<readonly BlockDevice[]> {
  if (spec.kind === "tag") {
    return listDevices(host, ["-t", formatDeviceSpec(spec)]);
  }
  const file = host.path(spec.path);
  if (host.files.statusOfTarget(file)?.kind !== "block-device") return [];
  const real = host.files.realPath(file);
  const known = await listDevices(host, [real]);
  return known.length > 0 ? known : [{ path: real }];
}

/**
 * What blkid finds, without its cache.
 * @param what arguments of blkid: devices, or a tag that they have
 * @throws HelperError
 */
export async function listDevices(
  host: Host,
  what: readonly string[],
): Promise<readonly BlockDevice[]> {
  const { stdout } = await host.run(
    ["blkid", "-c", "/dev/null", "-o", "export", ...what],
    { okExitCodes: [0, BLKID_NOTHING] },
  );
  return parseBlkidExport(stdout.toString("utf8"));
}

/** Parses what `blkid -o export` prints of each device. */
export function parseBlkidExport(text: string): BlockDevice[] {
  return parseBlkid(text).flatMap((values) => {
    const device = values.get("DEVNAME");
    if (device === undefined) return [];
    return [
      {
        path: device,
        fsType: values.get("TYPE"),
        uuid: values.get("UUID"),
        deviceUuid: values.get("UUID_SUB"),
        label: values.get("LABEL"),
      },
    ];
  });
}

/**
 * Parses what `blkid -o export` and `blkid -o udev` print: `NAME=value` lines, a blank line between
 * devices.
 * @see https://man7.org/linux/man-pages/man8/blkid.8.html
 */
export function parseBlkid(text: string): ReadonlyMap<string, string>[] {
  return text.split(/\n\s*\n/).map(
    (block) =>
      new Map(
        block.split("\n").map((line): [string, string] => {
          const equals = line.indexOf("=");
          return [line.slice(0, equals), line.slice(equals + 1)];
        }),
      ),
  );
}

/**
 * The device meant by `spec` among those that answer to it. Several devices of one btrfs share its
 * UUID and label: any of them will do.
 * @throws BootError DEVICE_AMBIGUOUS where they are different filesystems, or copies of one
 */
export function chooseDevice(
  spec: DeviceSpec,
  devices: readonly BlockDevice[],
): BlockDevice | undefined {
  const [first] = devices;
  if (first === undefined) return undefined;
  const sameFilesystem = devices.every(
    ({ path: other, uuid, fsType }) =>
      other === first.path ||
      (fsType === "btrfs" && uuid !== undefined && uuid === first.uuid),
  );
  const copies = devices.filter(
    ({ path: other, deviceUuid }) =>
      deviceUuid !== undefined &&
      devices.some(
        (device) => device.path !== other && device.deviceUuid === deviceUuid,
      ),
  );
  if (sameFilesystem && copies.length === 0) return first;
  const [what, those, hint] = sameFilesystem
    ? [
        "a filesystem and a copy of it",
        copies,
        "Detach the disk with the copy, or name the one that is meant by its path below /dev.",
      ]
    : [
        "more than one filesystem",
        devices,
        "Name the one that is meant by UUID=, or give the others another label.",
      ];
  throw new BootError(
    "DEVICE_AMBIGUOUS",
    `${formatDeviceSpec(spec)} names ${what}: ${those.map(describeDevice).join(", ")}`,
    { hint },
  );
}

async function describeMissing(
  host: Host,
  spec: DeviceSpec,
  timeoutMs: number,
): Promise<BootError> {
  const known = await listDevices(host, []);
  const others = parsePartitions(
    host.readText("/proc/partitions", MAX_PROC_BYTES) ?? "",
  )
    .filter((name) => !known.some((device) => device.path === `/dev/${name}`))
    .map((name) => `/dev/${name}`);
  const present = [...known.map(describeDevice), ...others];
  return new BootError(
    "DEVICE_NOT_FOUND",
    timeoutMs === 0
      ? `there is no ${formatDeviceSpec(spec)}`
      : `${formatDeviceSpec(spec)} did not appear within ${String(timeoutMs / 1000)} s`,
    {
      cause: new Error(
        present.length === 0
          ? "there is no block device at all: the disk's driver is missing from the initramfs, or the disk is off"
          : `the block devices are: ${present.join(", ")}`,
      ),
      hint: "Correct the device's name; a slow disk gets more time with rootdelay=SECONDS.",
    },
  );
}

/** The names in /proc/partitions, empty loop devices and RAM disks left out. */
export function parsePartitions(text: string): string[] {
  return text
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([, , blocks, name]) =>
      name === undefined || blocks === "0" || name.startsWith("ram")
        ? []
        : [name],
    );
}

/** The device for a message: path, type and label. */
export function describeDevice(device: BlockDevice): string {
  const { fsType, label, uuid } = device;
  const details = [
    fsType,
    label && `LABEL=${escapeControl(label)}`,
    uuid && `UUID=${uuid}`,
  ].filter((detail) => detail !== undefined);
  const name = path.posix.normalize(device.path);
  return details.length === 0 ? name : `${name} (${details.join(" ")})`;
}
