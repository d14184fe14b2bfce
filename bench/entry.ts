import type { Progress } from "../fixtures/progress.ts";
import type { Comparison, Result } from "./comparison.ts";

/** What an entry of the benchmark works with. */
export interface Bench {
  /** A directory to work in. */
  readonly scratch: string;
  readonly progress: Progress;
  /** What is measured: this project's, and another where one is given. */
  readonly executables: readonly Executable[];
  /** Measures all in turn, prints and keeps the results. */
  readonly compare: (...comparisons: Comparison[]) => Promise<Result[]>;
  /** Prints and keeps what needs no turns, or is derived from what was measured. */
  readonly record: (result: Result) => void;
}

/** A dockroot. */
export interface Executable {
  readonly name: string;
  readonly file: string;
}

export interface Entry {
  /** As `--only` has it. */
  readonly name: string;
  readonly describe: string;
  /** Prepares what it needs and compares; asserts nothing. */
  readonly measure: (bench: Bench) => Promise<void>;
}
