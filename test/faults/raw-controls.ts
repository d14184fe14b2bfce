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
 * @param expected its status; without it, 0 and 1 will do
 */
export function judgeOutcome(
  { status, stdout, stderr }: Outcome,
  expected?: 0 | 1 | 2,
): string | undefined {
  const said = JSON.stringify(stderr.slice(-600));
  const raw = findRawControl(stdout) ?? findRawControl(stderr);
  if (raw !== undefined) return raw;
  if (/^ +at .*:\d+:\d+\)?$/m.test(stderr)) return `a stack trace: ${said}`;
  const isRight =
    expected === undefined ? status === 0 || status === 1 : status === expected;
  if (!isRight) return `status ${String(status)}: ${said}`;
  if (status === 0) return undefined;
  if (!/^dockroot: [^\n]+$/m.test(stderr)) return said;
  const advice = status === 2 ? /^ {2}see: /m : /^ {2}what to do: /m;
  return advice.test(stderr) ? undefined : `does not say what to do: ${said}`;
}
