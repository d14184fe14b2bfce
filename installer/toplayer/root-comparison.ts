import { waitForDevice } from "../../runtime/disk/device.ts";
import { parseDeviceSpec } from "../../runtime/options/device-spec.ts";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";

/** Each is looked for on all devices: of more roots than any fstab has, the others stay unknown. */
const MAX_LOOKED_UP = 16;

/**
 * Tells whether sources of an fstab are the filesystem that `root=` names, however they are written.
 * @param root `undefined` where the kernel options do not say
 * @throws HelperError
 */
export async function createRootComparison(
  host: Host,
  root: string | undefined,
  sources: readonly string[],
): Promise<(source: string) => boolean | undefined> {
  const same = new Map<string, boolean | undefined>();
  const ofRoot = root === undefined ? undefined : await uuidOf(host, root);
  for (const source of new Set(sources.slice(0, MAX_LOOKED_UP))) {
    if (source === root) same.set(source, true);
    else if (ofRoot !== undefined) {
      const uuid = await uuidOf(host, source);
      same.set(source, uuid === undefined ? undefined : uuid === ofRoot);
    }
  }
  return (source) => same.get(source);
}

/** @returns `undefined` where there is no such filesystem, or it cannot be told which is meant */
async function uuidOf(host: Host, source: string): Promise<string | undefined> {
  try {
    const spec = parseDeviceSpec("root", source);
    const { uuid, path } = await waitForDevice(host, spec, 0);
    return uuid ?? path;
  } catch (error) {
    if (error instanceof BootError) return undefined;
    throw error;
  }
}
