import { spawn } from "node:child_process";
import { once } from "node:events";
import { lineSplitter } from "../fixtures/run.ts";
import { undoLater } from "../fixtures/undo.ts";

/**
 * Runs a program to its end in a process group of its own, which an interrupt of the benchmark ends
 * with all that the program has started: what they use can be unmounted then.
 * @param onLine gets each line that it says on stderr, and how long after its boot
 * @returns how long it took
 * @throws Error with what it said
 */
export async function runInGroup(
  argv: readonly [string, ...string[]],
  onLine?: (line: string, afterMs: number) => void,
): Promise<number> {
  const [program, ...args] = argv;
  const started = performance.now();
  const child = spawn(program, args, {
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  const hear = lineSplitter((line) => {
    onLine?.(line, performance.now() - started);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
    hear(text);
  });
  const closed = once(child, "close");
  const end = undoLater(async () => {
    if (child.pid !== undefined && child.exitCode === null) {
      process.kill(-child.pid, "SIGKILL");
    }
    await closed;
  });
  await closed;
  const tookMs = performance.now() - started;
  await end();
  if (child.exitCode !== 0) {
    throw new Error(`${argv.join(" ")} has failed:\n${said}`);
  }
  return tookMs;
}
