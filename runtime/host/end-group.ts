import { systemErrorCode } from "../base/errors.ts";

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
