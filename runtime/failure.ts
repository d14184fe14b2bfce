import { BootError } from "./host/errors.ts";
import { escapeControl } from "./host/escape.ts";

/** A failure as plain text, for people and for `boot.json`. */
export interface BootFailure {
  /** An `ErrorCode`, or `BUG`. */
  readonly code: string;
  readonly message: string;
  /** Why, the nearest cause first. */
  readonly causes: readonly string[];
  readonly hint: string | undefined;
}

export function describeFailure(error: unknown): BootFailure {
  if (error instanceof BootError) {
    return {
      code: error.code,
      message: escapeControl(error.message),
      causes: causesOf(error),
      hint: error.hint,
    };
  }
  return {
    code: "BUG",
    message: `a bug in dockroot: ${escapeControl(messageOf(error))}`,
    causes:
      error instanceof Error
        ? (error.stack ?? "").split("\n").slice(1).map((line) => line.trim())
        : [],
    hint: "Please report it with the lines above.",
  };
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
    causes.push(escapeControl(messageOf(cause)));
  }
  return causes;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
