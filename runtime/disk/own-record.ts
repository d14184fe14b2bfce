import path from "node:path";
import { BootError } from "../base/errors.ts";
import { formatJson } from "../base/escape.ts";
import { parseState } from "../records/parse-state.ts";
import type {
  RwlayerState,
  SubvolumeRecord,
} from "../records/rwlayer-state.ts";
import type { Disk } from "./disk.ts";

/** In a root's own top directory: what state.json has of that root. */
export const OWN_RECORD = ".dockroot-root.json";

const MAX_RECORD_BYTES = 64 * 1024;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Writes what a root is into the root itself: it stays known where state.json is lost, or the root was
 * restored under another UUID. It replaces what the image or the top layer has there, unless that is a
 * directory. What makes the root durable makes this so.
 */
export function writeOwnRecord(
  disk: Disk,
  root: string,
  record: SubvolumeRecord,
): void {
  const { files } = disk.host;
  const file = disk.at(path.join(root, OWN_RECORD));
  if (files.statusOf(file)?.kind === "directory") return;
  // When init gets it is not known here, now or later.
  const { handedOver: _, ...known } = record;
  const { rwlayer } = disk.paths;
  const state: RwlayerState = { version: 2, rwlayer, subvolumes: [known] };
  const text = formatJson(state);
  files.writeFile(file, { text }, { mode: 0o600, durable: "nothing" });
}

/** A root that is to be removed is none from here on. Nothing where it takes no writes. */
export function removeOwnRecord(disk: Disk, root: string): void {
  const { files } = disk.host;
  if (files.isReadOnly(disk.at(root))) return;
  files.removeFile(disk.at(path.join(root, OWN_RECORD)));
}

/**
 * What a subvolume that state.json does not know says of itself. Only a complete root of this rwlayer is
 * taken at its word, and only a file that root alone can write: images are not trusted to have none.
 * @param root a subvolume
 * @param uuid the subvolume's own
 * @returns `isCopy` where it is another subvolume than the one that dockroot made
 */
export function readOwnRecord(
  disk: Disk,
  root: string,
  uuid: string,
): SubvolumeRecord | undefined {
  const { files } = disk.host;
  const file = disk.at(path.join(root, OWN_RECORD));
  const status = files.statusOf(file);
  if (
    status?.kind !== "file" ||
    status.uid !== 0 ||
    (status.mode & WRITABLE_BY_OTHERS) !== 0
  ) {
    return undefined;
  }
  try {
    const start = files.readStart(file, MAX_RECORD_BYTES);
    if (start?.isWhole !== true) return undefined;
    const state = parseState(start.bytes.toString("utf8"));
    const [record] = state.subvolumes;
    if (state.rwlayer !== disk.paths.rwlayer || record?.complete !== true) {
      return undefined;
    }
    return record.uuid === uuid ? record : { ...record, uuid, isCopy: true };
  } catch (error) {
    if (error instanceof BootError) return undefined;
    throw error;
  }
}
