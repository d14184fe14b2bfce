import fs from "node:fs";
import path from "node:path";
import { isSystemError } from "./errors.ts";
import { statusOf } from "./file-status.ts";

/** How late the file is seen where the kernel does not tell of it. */
const POLL_MS = 100;

/**
 * Waits, however long it takes, until the directory has something of this name: a link counts
 * wherever it leads. The kernel tells of it at once (inotify); a look now and then is for a kernel
 * that cannot, and for a directory that is replaced.
 */
export function waitForFile(file: string): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearInterval(timer);
      watcher?.close();
      resolve();
    };
    const look = () => {
      if (statusOf(file) !== undefined) end();
    };
    const timer = setInterval(look, POLL_MS);
    const watcher = watch(path.dirname(file), look);
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
