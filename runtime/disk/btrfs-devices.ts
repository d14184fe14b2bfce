import { describeDevice, type BlockDevice } from "./device.ts";
import { BootError } from "../base/errors.ts";
import type { Host } from "../host/host.ts";

const POLL_MS = 500;

/**
 * Waits until the kernel knows all devices of the btrfs that `device` belongs to.
 * @returns whether it does, after `timeoutMs` at most
 * @throws HelperError
 */
export async function waitForAllDevices(
  host: Host,
  device: BlockDevice,
  timeoutMs: number,
): Promise<boolean> {
  const started = host.nowMs();
  while (!(await isComplete(host, device))) {
    if (host.nowMs() - started >= timeoutMs) return false;
    await host.sleep(POLL_MS);
    // One of them may be there that nobody has told the kernel of.
    await host.run(["btrfs", "device", "scan"], { okExitCodes: [0, 1] });
  }
  return true;
}

/**
 * Whether the kernel knows all devices; where it has no btrfs, that is for mount to say.
 * @see https://btrfs.readthedocs.io/en/latest/btrfs-device.html (ready)
 * @throws HelperError
 */
export async function isComplete(
  host: Host,
  { path }: BlockDevice,
): Promise<boolean> {
  const control = host.path("/dev/btrfs-control");
  if (host.files.statusOf(control) === undefined) return true;
  const { exitCode } = await host.run(["btrfs", "device", "ready", path], {
    okExitCodes: [0, 1],
  });
  return exitCode === 0;
}

/** @param cause what mounting without it came to */
export function describeIncomplete(
  device: BlockDevice,
  timeoutMs: number,
  cause: unknown,
): BootError {
  return new BootError(
    "DEVICE_NOT_FOUND",
    `another device of the btrfs on ${describeDevice(device)} did not appear within ${String(timeoutMs / 1000)} s`,
    {
      cause,
      hint: "Attach the disk that is missing, or give a slow one more time with rootdelay=SECONDS. To boot without it, as far as its data is on the others too, add degraded to the flags: rootflags=subvol=...,degraded.",
    },
  );
}
