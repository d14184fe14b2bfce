import { formatFailure } from "../../../runtime/base/failure.ts";
import { escapeControl } from "../../../runtime/base/escape.ts";
import { cut } from "../../text/bar-chart.ts";
import type { Status } from "./status.ts";

const MAX_LINES = 12;
const MAX_LINE_CHARACTERS = 400;
/** From here on the log is for who looks for the cause. */
const DETAILS = "Kernel options: ";

/** How the log begins, where it tells more than the status does itself. */
export function formatLastFailure({
  lastFailure,
  result,
  failure,
}: Status): string[] {
  if (lastFailure === null) return [];
  const lines = lastFailure.text.trimEnd().split("\n");
  // The log has causes that boot.json may lack.
  const isAbove =
    result === "fallback" &&
    failure !== null &&
    lastFailure.text.startsWith(formatFailure(failure));
  if (isAbove) return ["the one above"];
  const details = lines.findIndex((line) => line.startsWith(DETAILS));
  return lines
    .slice(0, details === -1 ? MAX_LINES : Math.min(details, MAX_LINES))
    .map((line) => cut(escapeControl(line), MAX_LINE_CHARACTERS));
}
