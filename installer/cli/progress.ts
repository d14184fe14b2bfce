import type { Terminal } from "./cli-context.ts";

/** Does work that takes a while, and tells so meanwhile. */
export type Progress = <T>(what: string, work: () => Promise<T>) => Promise<T>;

const TICK_MS = 1000;

/** On a terminal one line that counts the seconds, elsewhere a line before the work. */
export function createProgress(
  stdout: (text: string) => unknown,
  terminal: Terminal,
  nowMs: () => number,
): Progress {
  return async (what, work) => {
    if (terminal.columns === undefined) {
      stdout(`${what} ...\n`);
      return work();
    }
    const columns = terminal.columns;
    const began = nowMs();
    const show = () => {
      const seconds = Math.round((nowMs() - began) / 1000);
      const line = `${what} ... ${String(seconds)} s`;
      stdout(`\r${line.slice(0, columns - 1)}`);
    };
    show();
    const timer = setInterval(show, TICK_MS);
    try {
      return await work();
    } finally {
      clearInterval(timer);
      stdout("\n");
    }
  };
}
