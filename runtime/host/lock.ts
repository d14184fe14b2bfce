import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { startHelper } from "./process.ts";

/** What is held until it is released, or until this process ends, however it does. */
export interface Lock {
  /** Whether it still is: what holds it may be killed. */
  isHeld(): boolean;
  release(): Promise<void>;
}

/** What cat gives back as it is. */
const QUESTION = "\n";

/** Of our choice: other failures of flock, and of cat, have other ones. */
const CONFLICT_STATUS = 75;

/** The helper has nothing left to do but to end. */
const MAX_RELEASE_MS = 5_000;

/**
 * Takes an exclusive flock(2) lock on a directory, which stays open until the lock is released. A
 * helper holds it, for Node has no call for it, and ends with this process: its standard input does.
 * @param timeoutMs how long to wait for another process that has it; with 0 flock itself says at once
 *   whether one has, however long it takes to start
 * @param isTied whether a helper that still waits ends with this process, too
 * @returns `undefined` where another process has the lock all that time
 * @throws HelperError where the lock cannot be taken
 */
export async function lockDirectory(
  directory: string,
  timeoutMs: number,
  isTied: boolean,
): Promise<Lock | undefined> {
  const isWaiting = timeoutMs > 0;
  const unlessHeld = [
    "--nonblock",
    `--conflict-exit-code=${String(CONFLICT_STATUS)}`,
  ];
  const argv = [
    "flock",
    "--exclusive",
    "--no-fork",
    ...(isWaiting ? [] : unlessHeld),
    "--",
    directory,
    "cat",
  ];
  const helper = startHelper(argv, isTied, {
    stdio: "pipe",
    // Ctrl-C is for this process: what is half done is still undone under the lock.
    detached: true,
  });
  const holder = helper.child;
  // Whoever has ended reads nothing: that it has is told by its exit.
  holder.stdin?.on("error", () => undefined);
  const ended = once(holder, "close").then(() => "ended" as const);
  try {
    // cat runs, and answers, once the lock is taken.
    holder.stdin?.write(QUESTION);
    const answers = holder.stdout ? [waitForAnswer(holder.stdout)] : [];
    const first = Promise.race([...answers, ended]);
    const answer = await (isWaiting ? within(timeoutMs, first) : first);
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
    throw helper.startFailure(cause);
  }
  if (!isWaiting && holder.exitCode === CONFLICT_STATUS) return undefined;
  throw helper.endFailure();
}

/** @returns `odd` where it is not what was asked: whoever says that is not cat */
async function waitForAnswer(stdout: Readable): Promise<"locked" | "odd"> {
  const [said] = (await once(stdout, "data")) as [Buffer];
  return said.toString() === QUESTION ? "locked" : "odd";
}

async function release(holder: ChildProcess): Promise<void> {
  holder.stdin?.end();
  await within(MAX_RELEASE_MS, waitForExit(holder));
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

async function within<T>(ms: number, work: Promise<T>): Promise<T | "late"> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(resolve, ms, "late");
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
