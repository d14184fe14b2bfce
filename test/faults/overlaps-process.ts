import { EventEmitter, once } from "node:events";
import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { scaleTimeout } from "../../fixtures/slowness.ts";
import type { Event } from "./overlaps-helpers.ts";

/**
 * How far a process has come: to its point; or to where another one must go on first, which is
 * the disk's lock or the mount through which that is held; or to its end.
 */
export type PathState = "held" | "waits" | "ended";

/** A process as its events tell of it. */
export interface StagedProcess {
  readonly notice: (event: Event) => void;
  /** It passes its point from now on. */
  readonly pass: () => void;
  /** @throws Error where it comes to nothing in time */
  readonly settle: () => Promise<PathState>;
  /** @returns its exit status. @throws Error where it does not end in time */
  readonly end: () => Promise<number>;
}

/** Longer than anybody waits for the lock. */
const LIMIT_MS = 90_000;
const POLL_MS = 5;

export function followProcess(): StagedProcess {
  let pathState: PathState | "runs" = "runs";
  let status = NaN;
  let passes = false;
  const changes = new EventEmitter();
  const become = (next: typeof pathState) => {
    pathState = next;
    changes.emit("change");
  };
  let asked: Event | undefined;
  // Beside the wait for a lock it may have other work.
  let underWay = 0;
  const watchLock = async (event: Event) => {
    asked = event;
    while (asked === event) {
      if (pathState === "runs" && underWay === 0 && waitsForLock(event.status))
        become("waits");
      await sleep(POLL_MS);
    }
  };
  const until = async <T>(find: () => T | undefined): Promise<T> => {
    const signal = AbortSignal.timeout(scaleTimeout(LIMIT_MS));
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      try {
        await once(changes, "change", { signal });
      } catch (cause) {
        const limit = `${String(LIMIT_MS / 1000)} s`;
        throw new Error(`did not get on within ${limit}`, { cause });
      }
    }
  };
  return {
    notice: (event) => {
      const { kind, call } = event;
      if (kind === "calls" && call.work !== "flock") underWay += 1;
      if (kind === "called" && call.work !== "flock") underWay -= 1;
      if (kind === "locked" || kind === "ended") asked = undefined;
      if (kind === "takes") void watchLock(event);
      else if (kind === "ended") {
        status = event.status;
        become("ended");
      } else if (kind === "holds") {
        if (!passes) become("held");
      } else if (pathState !== "held") {
        const isRefused = kind === "called" && call.work === "umount";
        become(isRefused && event.status > 0 ? "waits" : "runs");
      }
    },
    pass: () => {
      passes = true;
      if (pathState === "held") become("runs");
    },
    settle: () => until(() => (pathState === "runs" ? undefined : pathState)),
    end: () => until(() => (pathState === "ended" ? status : undefined)),
  };
}

/** As the kernel says it. @see proc_locks(5) */
function waitsForLock(processId: number): boolean {
  return new RegExp(
    `^\\d+: -> FLOCK +ADVISORY +WRITE ${String(processId)} `,
    "m",
  ).test(fs.readFileSync("/proc/locks", "utf8"));
}
