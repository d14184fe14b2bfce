import path from "node:path";
import { BootError } from "../../base/errors.ts";
import { parseState, type RwlayerState } from "../../records/rwlayer-state.ts";
import type { Disk } from "../disk.ts";

/**
 * What a root consists of: what was written to it, what the kernel needs for that, and what it is. The record comes first,
 * so that whatever else is there is known to be dockroot's own.
 */
export const [RECORD, UPPER, WORK] = ["root.json", "upper", "work"] as const;

const MAX_RECORD_BYTES = 1024 * 1024;

/** What a root says of itself, whosever it is; `undefined` where that cannot be read. */
export function readRootFile(
  disk: Disk,
  root: string,
): RwlayerState | undefined {
  try {
    const file = disk.at(path.join(root, RECORD));
    const text = disk.host.files.readOwnText(file, MAX_RECORD_BYTES);
    return text === undefined ? undefined : parseState(text);
  } catch (error) {
    // One of a dockroot to come neither boots nor goes.
    if (error instanceof BootError) return undefined;
    throw error;
  }
}
