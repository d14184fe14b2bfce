import { spawn } from "node:child_process";
import { once } from "node:events";
import { BootError } from "../../runtime/host/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { HELPER_PATH } from "../../runtime/host/process.ts";

/** It is there, and nobody else locks it: no file of ours is left behind. */
const LOCKED = "/var/lib";

/**
 * Does the work where no other process of this kind does: one would take the other's for what a power
 * failure left. The lock is flock(1)'s, and ends with this process, whatever ends that.
 * @throws BootError INSTALL_FAILED where another is at work
 */
export async function withLock<T>(
  host: Host,
  work: () => Promise<T>,
): Promise<T> {
  const holder = spawn(
    "flock",
    ["--nonblock", host.path(LOCKED), "sh", "-c", "echo; exec cat"],
    {
      stdio: ["pipe", "pipe", "ignore"],
      env: { PATH: HELPER_PATH },
      // Ctrl-C is for this process: what is half done is still to be taken back.
      detached: true,
    },
  );
  const ended = new Promise<boolean>((resolve, reject) => {
    holder.on("error", reject);
    holder.on("close", () => {
      resolve(false);
    });
  });
  const isHeld = await Promise.race([
    once(holder.stdout, "data").then(() => true),
    ended,
  ]);
  if (!isHeld) {
    throw new BootError(
      "INSTALL_FAILED",
      "another dockroot install or uninstall is at work here",
      { hint: "Wait for its end." },
    );
  }
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
