import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import { waitForDevice } from "../../runtime/disk/device.ts";
import type { Host } from "../../runtime/host/host.ts";
import { parseDeviceSpec } from "../../runtime/options/parsers.ts";
import { nameInMapper } from "./formats/crypttab.ts";
import { NotRunError } from "./tree-host.ts";

const MAX_TEXT_BYTES = 4096;

/** LUKS below LVM below RAID, and more than that. */
const MAX_DEPTH = 8;

/** Each is looked for on all devices: no fstab has more. */
const MAX_LOOKED_UP = 16;

/**
 * Which opened LUKS devices (and their like) the sources of an fstab are on, by their names below
 * /dev/mapper. Of what is not there now, its path tells.
 * @throws HelperError
 */
export async function findCryptNames(
  host: Host,
  sources: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  for (const source of [...new Set(sources)].slice(0, MAX_LOOKED_UP)) {
    const device = await findDevice(host, source);
    const name = nameInMapper(source);
    if (device !== undefined) found.set(source, namesBelow(host, device, 0));
    else if (name !== undefined) found.set(source, [name]);
  }
  return found;
}

async function findDevice(
  host: Host,
  source: string,
): Promise<string | undefined> {
  try {
    const spec = parseDeviceSpec("root", source);
    return path.basename((await waitForDevice(host, spec, 0)).path);
  } catch (error) {
    // It is not there, or no device, or of a system that is only looked at.
    if (error instanceof BootError || error instanceof NotRunError) {
      return undefined;
    }
    throw error;
  }
}

function namesBelow(host: Host, device: string, depth: number): string[] {
  const directory = `/sys/class/block/${device}`;
  const read = (file: string) =>
    host.readText(`${directory}/dm/${file}`, MAX_TEXT_BYTES)?.trim() ?? "";
  if (read("uuid").startsWith("CRYPT-")) return [read("name")];
  if (depth === MAX_DEPTH) return [];
  return host.files
    .namesIn(host.path(`${directory}/slaves`))
    .flatMap((below) => namesBelow(host, below, depth + 1));
}
