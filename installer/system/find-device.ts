import { BootError } from "../../runtime/base/errors.ts";
import { waitForDevice, type BlockDevice } from "../../runtime/disk/device.ts";
import type { Host } from "../../runtime/host/host.ts";
import { parseDeviceSpec } from "../../runtime/options/parsers.ts";
import { NotRunError } from "./tree-host.ts";

/**
 * The device that a source of a mount names.
 * @returns `undefined` where none or several are there now, where the source names no device, and for a
 *   system whose programs are not run
 */
export async function findDevice(
  host: Host,
  source: string,
): Promise<BlockDevice | undefined> {
  try {
    return await waitForDevice(host, parseDeviceSpec("root", source), 0);
  } catch (error) {
    if (error instanceof BootError || error instanceof NotRunError) {
      return undefined;
    }
    throw error;
  }
}
