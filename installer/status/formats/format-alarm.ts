import {
  formatFailure,
  type BootFailure,
} from "../../../runtime/base/failure.ts";
import { escapeControl } from "../../../runtime/base/escape.ts";
import { alarm, plain, type Line } from "../../text/line.ts";
import type { Status } from "./status.ts";

const FRAME = "*".repeat(72);

/** What must not be overlooked: that another root runs than the one that was asked for, and why. */
export function formatAlarm({ result, failure, restored }: Status): Line[] {
  if (result !== "fallback" && result !== "failed") return [];
  const words =
    result === "fallback"
      ? [
          "WARNING: THIS IS A FORMER ROOT.",
          "The one that was asked for could not be made.",
          ...(restored === null ? [] : [`This one was ${restored}.`]),
        ]
      : [
          "WARNING: DOCKROOT DID NOT BOOT THIS SYSTEM.",
          "It could not make a root; what runs was started without it.",
        ];
  const why = failure === null ? [] : ["", ...linesOf(failure)];
  const outlook =
    result === "fallback"
      ? "The next start tries again, and keeps this root as a generation when it succeeds."
      : "The next start tries again.";
  return [
    alarm(FRAME),
    ...words.map(alarm),
    ...why.map(plain),
    plain(""),
    plain(outlook),
    alarm(FRAME),
  ];
}

/** A newline in it makes no line of its own. */
function linesOf({ code, message, causes, hint }: BootFailure): string[] {
  const text = formatFailure({
    code,
    message: escapeControl(message),
    causes: causes.map(escapeControl),
    hint: hint === undefined ? undefined : escapeControl(hint),
  });
  return text.trimEnd().split("\n");
}

/** The same in a line, for the end: what is long scrolls away. */
export function formatReminder({ result }: Status): Line[] {
  if (result === "fallback") {
    return [alarm("WARNING: this is a former root; why stands above.")];
  }
  return result === "failed"
    ? [alarm("WARNING: dockroot did not boot this system; why stands above.")]
    : [];
}
