import {
  spawn,
  type ChildProcess,
  type SpawnOptions,
} from "node:child_process";
import { systemErrorCode, HelperError } from "../base/errors.ts";
import { escapeControl } from "../base/escape.ts";

/**
 * Where helpers are looked for. The first directory exists in an initramfs only: it holds the full
 * programs beside a busybox's or klibc's of the same names.
 */
export const HELPER_PATH =
  "/usr/lib/dockroot/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** util-linux's setpriv, which becomes the helper: it is killed when the thread ends that has started it. */
const TIE: readonly string[] = ["setpriv", "--pdeathsig", "KILL", "--"];

/** Of what could not be started by setpriv: see EX_EXEC_ENOENT in util-linux's include/exitcodes.h. */
const TIED_IS_MISSING = 127;

const TIE_TIMEOUT_MS = 5000;

const MAX_STDOUT_BYTES = 64 * 1024 * 1024;

const KEPT_STDERR_CHARS = 4096;

/** The kernel may take a moment to end a process; one that waits for a dead disk does not end at all. */
const KILL_GRACE_MS = 2000;

/** What a helper has written is there when it ends, but for this. */
const OUTPUT_GRACE_MS = 1000;

export interface RunOptions {
  /** Exit statuses that are answers, not failures. Default: 0 alone. */
  readonly okExitCodes?: readonly number[];
  /** After this time the helper is killed. Default: never. */
  readonly timeoutMs?: number;
  /** The helper's working directory. Default: ours. */
  readonly directory?: string;
  /** Variables that it gets besides those that all have. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether it and what it starts are a process group of their own, which a terminal's Ctrl-C does not reach. */
  readonly ownGroup?: boolean;
  /** Whether it is killed when this process ends, however that does. What it has started itself is not. */
  readonly isTied?: boolean;
  /** Gets its process ID when it has started: that of its group, too, where it has one. */
  readonly onStart?: (processId: number) => void;
  /** Gets what it prints as it comes; the result then has none of it. */
  readonly onOutput?: (chunk: Buffer) => void;
}

export interface RunResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
}

/** Whether helpers can be tied: a busybox's setpriv cannot, nor is there one in each initramfs. */
export async function canTie(): Promise<boolean> {
  try {
    await runHelper(["setpriv", "--version"], {
      isTied: true,
      timeoutMs: TIE_TIMEOUT_MS,
    });
    return true;
  } catch (error) {
    if (!(error instanceof HelperError)) throw error;
    return false;
  }
}

/**
 * Runs a helper program: no shell, no stdin, a fixed environment, bounded output.
 * @throws HelperError in every other case than an exit status in `okExitCodes`; its message ends
 *   with the end of what the helper wrote to stderr
 */
export async function runHelper(
  argv: readonly string[],
  {
    okExitCodes = [0],
    timeoutMs = Infinity,
    directory,
    environment,
    ownGroup = false,
    isTied = false,
    onStart,
    onOutput,
  }: RunOptions = {},
): Promise<RunResult> {
  const chunks: Buffer[] = [];
  let stdoutBytes = 0;
  const helper = startHelper(argv, isTied, {
    stdio: ["ignore", "pipe", "pipe"],
    detached: ownGroup,
    ...(directory !== undefined && { cwd: directory }),
    ...(environment !== undefined && { env: environment }),
  });
  const { child } = helper;
  if (child.pid !== undefined) onStart?.(child.pid);
  child.stdout?.on("data", (chunk: Buffer) => {
    if (onOutput !== undefined) {
      onOutput(chunk);
      return;
    }
    stdoutBytes += chunk.length;
    if (stdoutBytes > MAX_STDOUT_BYTES) child.kill("SIGKILL");
    else chunks.push(chunk);
  });

  const isLate = await waitForEnd(child, timeoutMs).catch((cause: unknown) => {
    throw helper.startFailure(cause);
  });
  if (isLate) {
    const seconds = String(timeoutMs / 1000);
    throw helper.failure("timeout", `did not end within ${seconds} s`);
  }
  if (stdoutBytes > MAX_STDOUT_BYTES) {
    const megabytes = String(MAX_STDOUT_BYTES / 1024 / 1024);
    throw helper.failure("output", `printed more than ${megabytes} MiB`);
  }
  const { exitCode } = child;
  if (exitCode === null || !okExitCodes.includes(exitCode)) {
    throw helper.endFailure();
  }
  return { exitCode, stdout: Buffer.concat(chunks) };
}

/**
 * @returns whether it was too late
 * @throws what the system says where it could not be started
 */
async function waitForEnd(
  child: ChildProcess,
  timeoutMs: number,
): Promise<boolean> {
  const timers: NodeJS.Timeout[] = [];
  let isLate = false;
  try {
    return await new Promise((resolve, reject) => {
      child.on("error", reject);
      const stopReading = () => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      };
      child.on("close", () => {
        resolve(isLate);
      });
      child.on("exit", () => {
        // A child of its own may hold its output open for as long as that runs.
        timers.push(setTimeout(stopReading, OUTPUT_GRACE_MS));
      });
      if (timeoutMs === Infinity) return;
      const giveUp = () => {
        stopReading();
        child.unref();
        resolve(true);
      };
      const kill = () => {
        isLate = true;
        child.kill("SIGKILL");
        timers.push(setTimeout(giveUp, KILL_GRACE_MS));
      };
      timers.push(setTimeout(kill, timeoutMs));
    });
  } finally {
    for (const timer of timers) clearTimeout(timer);
  }
}

/** A helper that has been started, or could not be. */
interface Helper {
  readonly child: ChildProcess;
  /** @param what it did, to follow its name */
  readonly failure: (kind: HelperError["kind"], what: string) => HelperError;
  /** @param cause as the child gives it */
  readonly startFailure: (cause: unknown) => HelperError;
  /** Of one that has ended, with another status than it should. */
  readonly endFailure: () => HelperError;
}

/**
 * Starts a helper program; `env` of the options adds to the environment that all have. Where there are no file descriptors left, it has
 * no streams.
 * @param isTied as in RunOptions
 */
export function startHelper(
  argv: readonly string[],
  isTied: boolean,
  options: SpawnOptions,
): Helper {
  const [program = ""] = argv;
  const [command = "", ...args] = isTied ? [...TIE, ...argv] : argv;
  const child = spawn(command, args, {
    ...options,
    env: { ...options.env, PATH: HELPER_PATH, LC_ALL: "C" },
  });
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-KEPT_STDERR_CHARS);
  });
  const failure: Helper["failure"] = (kind, what) =>
    new HelperError(kind, `${program} ${what}${describeStderr(stderr)}`);
  return {
    child,
    failure,
    startFailure: (cause) =>
      systemErrorCode(cause) === "ENOENT"
        ? missing(command)
        : new HelperError("start", `${program} cannot be started`, { cause }),
    endFailure: () => {
      const { exitCode, signalCode } = child;
      if (exitCode === null) {
        return failure("signal", `was killed by ${signalCode ?? "a signal"}`);
      }
      if (
        isTied &&
        stderr.startsWith(`setpriv: failed to execute ${program}: `)
      ) {
        return exitCode === TIED_IS_MISSING
          ? missing(program)
          : failure("start", "cannot be started");
      }
      return failure("exit", `exited with status ${String(exitCode)}`);
    },
  };
}

function missing(program: string): HelperError {
  return new HelperError("missing", `${program} is not in ${HELPER_PATH}`);
}

function describeStderr(stderr: string): string {
  const lines = stderr
    .split("\n")
    .map((line) => escapeControl(line.trim()))
    .filter((line) => line !== "");
  return lines.length === 0 ? "" : `: ${lines.slice(-4).join("; ")}`;
}

/** As a terminal ends it, which programs tidy up after; then less politely. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGKILL"] as const;

const GRACE_MS = 5000;

const POLL_MS = 20;

/**
 * Ends all processes of a group, and comes back when they have ended: what a program has started may
 * go on when it has not.
 */
export async function endGroup(groupId: number): Promise<void> {
  for (const signal of SIGNALS) {
    if (!signalGroup(groupId, signal)) return;
    for (let waitedMs = 0; waitedMs < GRACE_MS; waitedMs += POLL_MS) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      if (!signalGroup(groupId, 0)) return;
    }
  }
}

/** @returns whether there is such a group */
function signalGroup(groupId: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-groupId, signal);
  } catch (error) {
    if (systemErrorCode(error) === "ESRCH") return false;
    throw error;
  }
}
