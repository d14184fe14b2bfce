import { formatFailure } from "../base/failure.ts";
import { escapeControl } from "../base/escape.ts";
import { summarizeBoot, type RootedBoot } from "../records/boot-record.ts";
import type { OtherRoot } from "./finish.ts";

const FRAME = "*".repeat(72);

/** The warning that a former root boots, for the console: not to be overlooked. */
export function formatFallback(record: RootedBoot): string {
  const lines = [
    FRAME,
    "WARNING: the root that was asked for could not be made.",
    "A FORMER ROOT BOOTS INSTEAD:",
    escapeControl(summarizeBoot(record)),
    ...(record.restored === null ? [] : [`put back from ${record.restored}`]),
    ...record.warnings.map((warning) => `warning: ${escapeControl(warning)}`),
    "",
    ...(record.failure === null
      ? []
      : formatFailure(record.failure).trimEnd().split("\n")),
    "",
    "To see this again: dockroot status. To stop instead: dockroot.fallback=none.",
    FRAME,
  ];
  return `${lines.join("\n")}\n`;
}

/** The warning that another root is mounted than was made, for the console: not to be overlooked. */
export function formatOtherRoot({ failure, isStopped }: OtherRoot): string {
  const lines = [
    FRAME,
    `${isStopped ? "ERROR" : "WARNING"}: the root that is mounted is not the one that was made.`,
    isStopped ? "THE BOOT STOPS HERE." : "THE SYSTEM STARTS WITH IT.",
    "",
    ...formatFailure(failure).trimEnd().split("\n"),
    "",
    isStopped
      ? "To boot it all the same: dockroot.fallback=last."
      : "To stop instead: dockroot.fallback=none.",
    FRAME,
  ];
  return `${lines.join("\n")}\n`;
}
