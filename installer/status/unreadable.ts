import { asFailureOf, describeFailure } from "../../runtime/base/failure.ts";
import type { Unreadable } from "./formats/status.ts";
import path from "node:path";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";

/** Keeps what could not be read: none of it is worth failing for. */
export interface Gaps {
  readonly unreadable: readonly Unreadable[];
  add(gap: Unreadable): void;
  /**
   * @param what is read, to follow "cannot read"
   * @returns `null` where a helper, a system call or what was read refused
   */
  attempt<T>(what: string, read: () => Promise<T> | T): Promise<T | null>;
}

export function createGaps(): Gaps {
  const unreadable: Unreadable[] = [];
  return {
    unreadable,
    add: (gap) => {
      unreadable.push(gap);
    },
    attempt: async (what, read) => {
      try {
        return await read();
      } catch (error) {
        const refused = asFailureOf(`read ${what}`, error);
        const { code, message, causes, hint } = describeFailure(refused);
        if (code === "BUG") throw error;
        const why = [message, ...causes].join(": ");
        unreadable.push({ what, why, hint: hint ?? null });
        return null;
      }
    },
  };
}

/**
 * Whether there is such a directory, no part of whose path is a link, which could lead anywhere.
 * @param directory relative to the top level
 * @throws BootError FILE_UNREADABLE where something else stands there
 */
export function requireDirectories(
  host: Host,
  topLevel: string,
  directory: string,
): boolean {
  const parent = path.dirname(directory);
  if (parent !== "." && !requireDirectories(host, topLevel, parent)) {
    return false;
  }
  const kind = host.files.statusOf(path.join(topLevel, directory))?.kind;
  if (kind === undefined || kind === "directory") return kind !== undefined;
  throw new BootError("FILE_UNREADABLE", `${directory} is not a directory`, {
    hint: "Rename it: dockroot keeps what is its own there.",
  });
}
