import { spawn } from "node:child_process";
import { systemErrorCode } from "./errors.ts";
import { escapeControl } from "./escape.ts";

/**
 * Where helpers are looked for. The first directory exists in an initramfs only: it holds the full
 * programs beside a busybox's or klibc's of the same names.
 */
export const HELPER_PATH =
  "/usr/lib/dockroot/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const MAX_STDOUT_BYTES = 64 * 1024 * 1024;
const KEPT_STDERR_CHARS = 4096;

export interface RunOptions {
  /** Exit statuses that are answers, not failures. Default: 0 alone. */
  readonly okExitCodes?: readonly number[];
  /** Kill the helper after this time. Default: never (a mount of a large filesystem takes minutes). */
  readonly timeoutMs?: number;
}

export interface RunResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
}

/** A helper program that could not be started, failed, was killed, or said too much. */
export class HelperError extends Error {
  readonly kind: "missing" | "exit" | "signal" | "timeout" | "output";

  constructor(
    kind: HelperError["kind"],
    message: string,
    options?: { cause: unknown },
  ) {
    super(message, options);
    this.name = "HelperError";
    this.kind = kind;
  }
}

/** The command as one could type it. */
export function quoteCommand(argv: readonly string[]): string {
  return argv
    .map((argument) =>
      /^[\w@%+=:,./-]+$/.test(argument)
        ? argument
        : `'${escapeControl(argument).replaceAll("'", "'\\''")}'`,
    )
    .join(" ");
}

/**
 * Runs a helper program: no shell, no stdin, a fixed environment, bounded output.
 * @throws HelperError in every other case than an exit status in `okExitCodes`; its message ends
 *   with the end of what the helper wrote to stderr
 */
export async function runHelper(
  argv: readonly string[],
  { okExitCodes = [0], timeoutMs }: RunOptions = {},
): Promise<RunResult> {
  const [program, ...args] = argv;
  if (program === undefined) throw new Error("no program to run");
  const chunks: Buffer[] = [];
  let stdoutBytes = 0;
  let stderr = "";
  let stopped: "timeout" | "output" | undefined;

  const child = spawn(program, args, {
    env: { PATH: HELPER_PATH, LC_ALL: "C" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const stop = (reason: "timeout" | "output") => {
    stopped ??= reason;
    child.kill("SIGKILL");
  };
  child.stdout.on("data", (chunk: Buffer) => {
    stdoutBytes += chunk.length;
    if (stdoutBytes > MAX_STDOUT_BYTES) stop("output");
    else chunks.push(chunk);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-KEPT_STDERR_CHARS);
  });
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          stop("timeout");
        }, timeoutMs);

  const [exitCode, signal] = await new Promise<
    [number | null, NodeJS.Signals | null]
  >((resolve, reject) => {
    child.on("error", (cause) => {
      reject(describeStartFailure(program, cause));
    });
    child.on("close", (code, killedBy) => {
      resolve([code, killedBy]);
    });
  }).finally(() => {
    clearTimeout(timer);
  });

  const said = describeStderr(stderr);
  if (stopped === "timeout") {
    throw new HelperError(
      "timeout",
      `${program} did not end within ${String(timeoutMs)} ms${said}`,
    );
  }
  if (stopped === "output") {
    throw new HelperError("output", `${program} printed too much${said}`);
  }
  if (exitCode === null) {
    throw new HelperError(
      "signal",
      `${program} was ended by ${signal ?? "a signal"}${said}`,
    );
  }
  if (!okExitCodes.includes(exitCode)) {
    throw new HelperError(
      "exit",
      `${program} ended with status ${String(exitCode)}${said}`,
    );
  }
  return { exitCode, stdout: Buffer.concat(chunks) };
}

function describeStartFailure(program: string, cause: Error): HelperError {
  return systemErrorCode(cause) === "ENOENT"
    ? new HelperError("missing", `${program} is not in ${HELPER_PATH}`)
    : new HelperError("missing", `${program} cannot be started`, { cause });
}

function describeStderr(stderr: string): string {
  const lines = stderr
    .split("\n")
    .map((line) => escapeControl(line.trim()))
    .filter((line) => line !== "");
  return lines.length === 0 ? "" : `: ${lines.slice(-4).join("; ")}`;
}
