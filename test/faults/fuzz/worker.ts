import { parentPort, workerData } from "node:worker_threads";
import {
  describeFailure,
  formatFailure,
} from "../../../runtime/base/failure.ts";
import { BootError, UsageError } from "../../../runtime/base/errors.ts";
import { escapeControl } from "../../../runtime/base/escape.ts";
import { findRawControl } from "../raw-controls.ts";
import { makeInput } from "./mutate.ts";
import { createRandom } from "../../../fixtures/random.ts";
import { createTargets } from "./targets.ts";

/** What the worker is started with. */
export interface FuzzOrder {
  readonly scratch: string;
  readonly seed: number;
  /** So many inputs, and for so long: both at least. */
  readonly leastInputs: number;
  readonly leastMs: number;
  /** Gets the number of the input that is being parsed: the watchdog sees whether it moves. */
  readonly progress: SharedArrayBuffer;
}

export interface FuzzResult {
  readonly inputs: number;
  /** Refused with an error of dockroot's own kind. */
  readonly refused: number;
  /** How often anything else was thrown, or came out wrong. */
  readonly failed: number;
  /** The first of these, in words. */
  readonly problems: readonly string[];
  readonly slowest: { readonly input: string; readonly ms: number };
}

const MAX_PROBLEMS = 20;

function fuzz({
  scratch,
  seed,
  leastInputs,
  leastMs,
  progress,
}: FuzzOrder): FuzzResult {
  const targets = createTargets(scratch);
  const current = new Int32Array(progress);
  const end = performance.now() + leastMs;
  const problems: string[] = [];
  let refused = 0;
  let failed = 0;
  let slowest = { input: "", ms: 0 };
  let number = 0;
  while (number < leastInputs || performance.now() < end) {
    Atomics.store(current, 0, number);
    // Each input depends on its number alone: it can be made again without those before it.
    const random = createRandom(seed, number);
    const target = targets[number % targets.length] ?? targets[0];
    const text = makeInput(random, target.samples);
    const name = `${target.name}, input ${String(number)}`;
    const begun = performance.now();
    try {
      target.parse(text, random);
    } catch (error) {
      const problem = judge(error);
      if (problem === undefined) refused += 1;
      else failed += 1;
      if (problem !== undefined && problems.length < MAX_PROBLEMS) {
        problems.push(
          `${name}: ${problem}: ${JSON.stringify(text.slice(0, 300))}`,
        );
      }
    }
    const ms = performance.now() - begun;
    if (ms > slowest.ms) slowest = { input: name, ms };
    number += 1;
  }
  return { inputs: number, refused, failed, problems, slowest };
}

function judge(error: unknown): string | undefined {
  // As main.ts prints it.
  if (error instanceof UsageError) {
    return findRawControl(escapeControl(error.message));
  }
  if (!(error instanceof BootError)) {
    return error instanceof Error ? (error.stack ?? "") : String(error);
  }
  return findRawControl(formatFailure(describeFailure(error)));
}

parentPort?.postMessage(fuzz(workerData as FuzzOrder));
