import path from "node:path";
import { readBytesIn } from "../host/follow-in.ts";
import { BootError } from "../base/errors.ts";
import { formatJson } from "../base/escape.ts";
import type { Host } from "../host/host.ts";
import { parseState } from "../records/parse-state.ts";
import { emptyState, type RwlayerState } from "../records/rwlayer-state.ts";
import type { RwlayerPaths } from "../options/rwlayer-names.ts";

const MAX_STATE_BYTES = 16 * 1024 * 1024;

/**
 * Reads state.json. Where there is none, nothing is ours.
 * @throws BootError FILE_UNREADABLE where it is damaged, STATE_TOO_NEW: then nothing can be proved ours
 */
export function readState(
  host: Host,
  topLevel: string,
  paths: RwlayerPaths,
): RwlayerState {
  try {
    const text = readBytesIn(
      host,
      topLevel,
      paths.state,
      MAX_STATE_BYTES,
    )?.toString("utf8");
    return text === undefined ? emptyState(paths.rwlayer) : parseState(text);
  } catch (cause) {
    if (cause instanceof BootError && cause.code === "STATE_TOO_NEW") {
      throw new BootError(
        cause.code,
        `${paths.state} was written by a newer dockroot`,
        {
          cause,
          hint: "Boot with the initramfs of that dockroot; or rename the file, and nothing there is known to be dockroot's own.",
        },
      );
    }
    throw new BootError("FILE_UNREADABLE", `${paths.state} is damaged`, {
      cause,
      hint: "Nothing is deleted: what stands there can no longer be proved to be dockroot's own, and is left alone.",
    });
  }
}

/** Replaces state.json as a whole. */
export function writeState(
  host: Host,
  topLevel: string,
  paths: RwlayerPaths,
  state: RwlayerState,
): void {
  host.files.replaceFile(
    path.join(topLevel, paths.state),
    `${formatJson(state)}\n`,
    0o600,
  );
}
