import type { Test } from "tap";
import { BootError, type ErrorCode } from "../../runtime/base/errors.ts";

/** It fails with the code, a hint, and a message that has each of the patterns, its cause's included. */
export function fails(
  t: Test,
  work: () => unknown,
  code: ErrorCode,
  ...patterns: RegExp[]
): void {
  try {
    work();
    t.fail("was found");
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    t.equal(error.code, code, error.message);
    t.ok(error.hint, "says what to do");
    const cause = error.cause instanceof Error ? error.cause.message : "";
    for (const pattern of patterns)
      t.match(`${error.message}; ${cause}`, pattern);
  }
}
