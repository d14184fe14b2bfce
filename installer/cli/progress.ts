import type { Terminal } from "./cli-context.ts";

/** Does work that takes a while, and tells so meanwhile. */
export type Progress = <T>(what: string, work: () => Promise<T>) => Promise<T>;

const TICK_MS = 1000;

/**
 * On a terminal one line that counts the seconds; elsewhere a line before the work, and one each
 * `lineIntervalMs` while it lasts.
 */
export function createProgress(
  stdout: (text: string) => unknown,
  terminal: Pick<Terminal, "columns">,
  nowMs: () => number,
  lineIntervalMs = 30_000,
): Progress {
  return async (what, work) => {
    const { columns } = terminal;
    const began = nowMs();
    const measure = () => `${String(Math.round((nowMs() - began) / 1000))} s`;
    const show =
      columns === undefined
        ? () => stdout(`still ${what} (${measure()})\n`)
        : () => stdout(`\r${`${what} ... ${measure()}`.slice(0, columns - 1)}`);
    if (columns === undefined) stdout(`${what} ...\n`);
    else show();
    const timer = setInterval(
      show,
      columns === undefined ? lineIntervalMs : TICK_MS,
    );
    try {
      return await work();
    } finally {
      clearInterval(timer);
      if (columns !== undefined) {
        show();
        stdout("\n");
      }
    }
  };
}
