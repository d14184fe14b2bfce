import {
  BootError,
  HelperError,
  isSystemError,
  PrivateError,
} from "./errors.ts";
import { escapeControl } from "./escape.ts";
import { hintFor } from "./hints.ts";

/** A failure as plain text, for people and for `boot.json`. */
export interface BootFailure {
  /** An `ErrorCode`, `SYSTEM_ERROR`, or `BUG`. */
  readonly code: string;
  readonly message: string;
  /** Why, the nearest cause first. */
  readonly causes: readonly string[];
  readonly hint: string | undefined;
  /** The causes name files that not everybody may see; never in `boot.json`. */
  readonly hasPrivateCauses?: boolean;
}

/**
 * What a helper program or a system call refused, as a failure of the work it was for. Everything
 * else is returned as it is: a `BootError` says more already, and a bug must stay one.
 * @param work what could not be done, to follow "cannot"
 */
export function asFailureOf(work: string, cause: unknown): unknown {
  if (cause instanceof PrivateError) return asPrivateFailureOf(work, cause);
  if (!(cause instanceof HelperError) && !isSystemError(cause)) return cause;
  const isMissing = cause instanceof HelperError && cause.kind === "missing";
  return new BootError(
    isMissing ? "HELPER_MISSING" : "STEP_FAILED",
    `cannot ${work}`,
    { cause, hint: hintFor(cause) },
  );
}

/** A message that names files becomes a cause of one that does not. */
function asPrivateFailureOf(work: string, { cause }: PrivateError): unknown {
  const failure = asFailureOf(work, cause);
  if (!(failure instanceof BootError)) return failure;
  return new BootError(failure.code, `cannot ${work}`, {
    cause: failure === cause ? cause : failure.cause,
    hint: failure.hint,
    hasPrivateCauses: true,
  });
}

export function describeFailure(error: unknown): BootFailure {
  const { message, causes, hint, ...others } = readFailure(error);
  return {
    ...others,
    message: escapeControl(message),
    causes: causes.map(escapeControl),
    hint: hint === undefined ? undefined : escapeControl(hint),
  };
}

function readFailure(error: unknown): BootFailure {
  if (error instanceof BootError) {
    const { code, message, hint, hasPrivateCauses } = error;
    return { code, message, causes: causesOf(error), hint, hasPrivateCauses };
  }
  if (isSystemError(error) || error instanceof HelperError) {
    return {
      code: "SYSTEM_ERROR",
      message: error.message,
      causes: causesOf(error),
      hint: hintFor(error),
    };
  }
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  return {
    code: "BUG",
    message: `a bug in dockroot: ${messageOf(error)}`,
    causes: stack
      .split("\n")
      .slice(1)
      .map((line) => line.trim()),
    hint: "Please report it with the lines above.",
  };
}

/** The failure as everybody may see it. */
export function withoutDetails({
  hasPrivateCauses = false,
  ...failure
}: BootFailure): BootFailure {
  return hasPrivateCauses ? { ...failure, causes: [] } : failure;
}

/** The failure in one line, for a warning. */
export function summarizeFailure(error: unknown): string {
  const { message, causes } = withoutDetails(describeFailure(error));
  return [message, ...causes].join(": ");
}

/** The failure for the console: what failed, why, what to do. */
export function formatFailure(failure: BootFailure): string {
  const lines = [`dockroot: ${failure.message}`];
  for (const cause of failure.causes) lines.push(`  because: ${cause}`);
  if (failure.hint !== undefined) lines.push(`  what to do: ${failure.hint}`);
  return `${lines.join("\n")}\n`;
}

function causesOf(error: Error): string[] {
  const causes: string[] = [];
  for (
    let cause = error.cause;
    cause !== undefined;
    cause = cause instanceof Error ? cause.cause : undefined
  ) {
    causes.push(messageOf(cause));
  }
  return causes;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
