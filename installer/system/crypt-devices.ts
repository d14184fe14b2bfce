import path from "node:path";
import type { Host } from "../../runtime/host/host.ts";
import { findDevice } from "./find-device.ts";
import { nameInMapper } from "./formats/crypttab.ts";

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
    if (device !== undefined) {
      found.set(source, namesBelow(host, path.basename(device.path), 0));
    } else if (name !== undefined) found.set(source, [name]);
  }
  return found;
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
