import { formatFailure } from "../base/failure.ts";
import { FRAME } from "./format-fallback.ts";
import type { OtherRoot } from "./finish.ts";

/** The warning that another root is mounted than was made, for the console: not to be overlooked. */
export function formatOtherRoot({ failure, isStopped }: OtherRoot): string {
  const lines = [
    FRAME,
    `${isStopped ? "ERROR" : "WARNING"}: the root that is mounted is not the one that was made.`,
    isStopped ? "THE START STOPS HERE." : "THE SYSTEM STARTS WITH IT.",
    "",
    ...formatFailure(failure).trimEnd().split("\n"),
    "",
    isStopped
      ? "To start all the same: dockroot.fallback=last."
      : "To stop instead: dockroot.fallback=none.",
    FRAME,
  ];
  return `${lines.join("\n")}\n`;
}
