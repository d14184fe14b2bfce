import fs from "node:fs";
import path from "node:path";
import { isSystemError } from "../base/errors.ts";
import { statusOf, statusOfTarget } from "./file-status.ts";

/** How late the file is seen where the kernel watches nothing. */
const POLL_MS = 20;
/** How late it is seen in a directory that took the place of another. */
const RELOOK_MS = 1000;
/** For how long the directory may be gone: another takes its place at once, or never. */
const GONE_MS = 2000;

/**
 * Waits, however long it takes, until the directory has something of this name: a link counts
 * wherever it leads. The kernel tells of it at once (inotify), where it can.
 * @returns whether it has: not where the directory has gone
 */
export function waitForFile(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    let goneSince: number | undefined;
    const end = (isThere: boolean) => {
      clearInterval(timer);
      watcher?.close();
      resolve(isThere);
    };
    const look = () => {
      if (statusOf(file) !== undefined) {
        end(true);
        return;
      }
      if (statusOfTarget(path.dirname(file)) !== undefined) {
        goneSince = undefined;
        return;
      }
      goneSince ??= performance.now();
      if (performance.now() - goneSince >= GONE_MS) end(false);
    };
    const watcher = watch(path.dirname(file), look);
    const timer = setInterval(
      look,
      watcher === undefined ? POLL_MS : RELOOK_MS,
    );
    // It may have come before the watch began.
    look();
  });
}

/** `undefined` where the kernel watches nothing, or no more than it does. */
function watch(directory: string, tell: () => void): fs.FSWatcher | undefined {
  try {
    return fs.watch(directory, tell).on("error", tell);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return undefined;
  }
}
