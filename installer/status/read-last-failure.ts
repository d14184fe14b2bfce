import path from "node:path";
import type { Host } from "../../runtime/host/host.ts";
import { rwlayerPaths } from "../../runtime/options/rwlayer-names.ts";
import { requireDirectories } from "./require-directories.ts";
import type { LastFailure } from "./formats/status.ts";
import type { Gaps } from "./unreadable.ts";

const MAX_LOG_BYTES = 64 * 1024;

/** Reads the beginning of last-failure.log; `null` where no start has failed. */
export function readLastFailure(
  host: Host,
  topLevel: string,
  rwlayer: string,
  gaps: Gaps,
): Promise<LastFailure | null> {
  const { directory, lastFailure } = rwlayerPaths(rwlayer);
  return gaps.attempt("the last failure", () => {
    if (!requireDirectories(host, topLevel, directory)) return null;
    const file = path.join(topLevel, lastFailure);
    const start = host.files.readStart(file, MAX_LOG_BYTES);
    if (start === undefined) return null;
    const { bytes, isWhole } = start;
    return { path: lastFailure, text: bytes.toString("utf8"), isWhole };
  });
}
