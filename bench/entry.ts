import type { Progress } from "../fixtures/progress.ts";
import type { Comparison } from "./comparison.ts";

/** What an entry of the benchmark works with. */
export interface Bench {
  /** A directory to work in. */
  readonly scratch: string;
  readonly progress: Progress;
  /** Measures, prints and keeps the result. */
  readonly compare: (comparison: Comparison) => Promise<void>;
}

/** Prepares what it needs and compares; asserts nothing. */
export type Entry = (bench: Bench) => Promise<void>;
