import { asFailureOf, describeFailure } from "../../runtime/base/failure.ts";
import type { Unreadable } from "./formats/status.ts";

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
