import path from "node:path";
import { waitForDevice } from "../../runtime/disk/device.ts";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { Filesystem, Partition } from "../loaders/plan/entry-facts.ts";
import {
  parseBlkidProbe,
  type ProbedDevice,
} from "./formats/parse-blkid-probe.ts";

/** blkid's status for "nothing found". */
const BLKID_NOTHING = 2;

/**
 * What a boot loader can know of the filesystem on a device.
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
  const { type, uuid, label, partition } = parseBlkidProbe(
    stdout.toString("utf8"),
  );
  return {
    ...{ device, uuid, label },
    type: type ?? "",
    isLabelUnique: label !== undefined && (await isUnique(host, label, uuid)),
    partition:
      partition === undefined ? undefined : describePartition(host, partition),
    isMapped: isMapped(host, device),
  };
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

function describePartition(
  host: Host,
  { disk, ...partition }: NonNullable<ProbedDevice["partition"]>,
): Partition {
  const link = host.path(`/sys/dev/block/${disk ?? ""}`);
  const isThere =
    disk !== undefined && host.files.statusOfTarget(link)?.kind === "directory";
  // The kernel writes a slash in a device's name as an exclamation mark.
  const name = isThere
    ? path.basename(host.files.realPath(link)).replaceAll("!", "/")
    : undefined;
  return { ...partition, disk: name === undefined ? name : `/dev/${name}` };
}

function isMapped(host: Host, device: string): boolean {
  const file = host.path(device);
  const real =
    host.files.statusOfTarget(file) === undefined
      ? device
      : host.files.realPath(file);
  return [device, real].some((name) => /\/dev\/(?:mapper\/|dm-)/.test(name));
}
