import type { Outcome } from "../binary/run-dockroot.ts";

/** What must never reach a terminal: C0 but for the line's end, DEL, C1, bidirectional controls. */
const RAW =
  // eslint-disable-next-line no-control-regex -- control characters are the point
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;

/** Where a text could write on a terminal; `undefined` where it could not. */
export function findRawControl(text: string): string | undefined {
  const found = RAW.exec(text);
  return found === null
    ? undefined
    : `raw control in ${JSON.stringify(text.slice(Math.max(0, found.index - 20), found.index + 20))}`;
}

/**
 * What is wrong with how a command ended: nothing where it worked, or failed with one plain line,
 * the reason and what to do.
 */
export function judgeOutcome({
  status,
  stdout,
  stderr,
}: Outcome): string | undefined {
  const said = JSON.stringify(stderr.slice(-600));
  if (status !== 0 && status !== 1) return `status ${String(status)}: ${said}`;
  const raw = findRawControl(stdout) ?? findRawControl(stderr);
  if (raw !== undefined) return raw;
  if (/^ +at .*:\d+:\d+\)?$/m.test(stderr)) return `a stack trace: ${said}`;
  if (status === 1 && !/^dockroot: [^\n]+$/m.test(stderr)) return said;
  if (status === 1 && !/^ {2}what to do: /m.test(stderr)) {
    return `does not say what to do: ${said}`;
  }
  return undefined;
}
