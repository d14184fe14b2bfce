import type { styleText } from "node:util";
import type { Host } from "../../runtime/host/host.ts";

/** Where a command runs: what main.ts alone knows. */
export interface CliContext {
  readonly stdout: (text: string) => unknown;
  readonly stderr: (text: string) => unknown;
  /** The arguments, as they were given. */
  readonly argv: readonly string[];
  /** The file that runs, absolute; `undefined` where that is a Node of its own. */
  readonly executable: string | undefined;
  readonly terminal: Terminal;
  readonly host: Host;
  readonly isRoot: boolean;
  /** `undefined` where there is nobody to ask. */
  readonly questions: Questions | undefined;
}

/**
 * Whether the answer is yes, which it is by default.
 * @throws BootError where the question is interrupted
 */
export type Confirm = (question: string) => Promise<boolean>;

/** Has the terminal for questions for as long as the work takes. */
export type Questions = <T>(
  work: (confirm: Confirm) => Promise<T>,
) => Promise<T>;

/** What a command's text is made for. */
export interface Terminal {
  /** `undefined` where stdout is no terminal. */
  readonly columns: number | undefined;
  /** Leaves the text as it is where there are no colours. */
  readonly style: (
    format: Parameters<typeof styleText>[0],
    text: string,
  ) => string;
}
