import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import {
  describeStartFailure,
  HELPER_PATH,
  refuseUnstarted,
  TIE,
} from "./process.ts";
import { HelperError } from "../base/errors.ts";

/** What is held until it is released, or until this process ends, however it does. */
export interface Lock {
  /** Whether it still is: what holds it may be killed. */
  isHeld(): boolean;
  release(): Promise<void>;
}

/** What cat gives back as it is. */
const QUESTION = "\n";

const KEPT_STDERR_CHARS = 4096;

/** The helper has nothing left to do but to end. */
const MAX_RELEASE_MS = 5_000;

/**
 * Takes an exclusive flock(2) lock on a directory, which stays open until the lock is released. A
 * helper holds it, for Node has no call for it, and ends with this process: its standard input does.
 * @param isTied whether a helper that still waits ends with this process, too
 * @returns `undefined` where another process has the lock for longer than `timeoutMs`
 * @throws HelperError where the lock cannot be taken
 */
export async function lockDirectory(
  directory: string,
  timeoutMs: number,
  isTied: boolean,
): Promise<Lock | undefined> {
  const argv = ["flock", "--exclusive", "--no-fork", "--", directory, "cat"];
  const [program = "", ...args] = isTied ? [...TIE, ...argv] : argv;
  // Where there are no file descriptors left, it has none of its own.
  const holder: ChildProcess = spawn(program, args, {
    env: { PATH: HELPER_PATH, LC_ALL: "C" },
    stdio: "pipe",
    // Ctrl-C is for this process: what is half done is still undone under the lock.
    detached: true,
  });
  let stderr = "";
  holder.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-KEPT_STDERR_CHARS);
  });
  // Whoever has ended reads nothing: that it has is told by its exit.
  holder.stdin?.on("error", () => undefined);
  const ended = once(holder, "close").then(() => "ended" as const);
  const late = new AbortController();
  try {
    // cat runs, and answers, once the lock is taken.
    holder.stdin?.write(QUESTION);
    const answer = await Promise.race([
      holder.stdout ? waitForAnswer(holder.stdout) : ended,
      ended,
      wait(timeoutMs, late.signal),
    ]);
    if (answer === "locked") {
      return {
        isHeld: () => isRunning(holder),
        release: () => release(holder),
      };
    }
    if (answer === "late") {
      await kill(holder);
      return undefined;
    }
    if (answer === "odd") await kill(holder);
  } catch (cause) {
    throw describeStartFailure("flock", cause);
  } finally {
    late.abort();
  }
  const { exitCode, signalCode } = holder;
  if (isTied) refuseUnstarted("flock", exitCode, stderr);
  const end = signalCode ?? `status ${String(exitCode)}`;
  throw new HelperError("exit", `flock ended with ${end}: ${stderr.trim()}`);
}

/** @returns `odd` where it is not what was asked: whoever says that is not cat */
async function waitForAnswer(stdout: Readable): Promise<"locked" | "odd"> {
  const [said] = (await once(stdout, "data")) as [Buffer];
  return said.toString() === QUESTION ? "locked" : "odd";
}

async function release(holder: ChildProcess): Promise<void> {
  const late = new AbortController();
  try {
    holder.stdin?.end();
    const exited = waitForExit(holder);
    await Promise.race([exited, wait(MAX_RELEASE_MS, late.signal)]);
  } finally {
    late.abort();
  }
  await kill(holder);
}

/** A child of its own may hold its output open for as long as that runs. */
async function kill(holder: ChildProcess): Promise<void> {
  holder.stdout?.destroy();
  holder.stderr?.destroy();
  holder.kill("SIGKILL");
  await waitForExit(holder);
}

async function waitForExit(holder: ChildProcess): Promise<void> {
  if (isRunning(holder)) await once(holder, "exit");
}

function isRunning({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

function wait(ms: number, signal: AbortSignal): Promise<"late"> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms, "late" as const);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
    });
  });
}
