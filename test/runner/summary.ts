import { formatDuration } from "./format.ts";
import type { Counts } from "./run-file.ts";
import { rungs, type Rung } from "./rungs.ts";

/** What has run: a test file, or a preparation. */
export interface FinishedTask {
  readonly name: string;
  /** `undefined` for a preparation. */
  readonly rung: Rung | undefined;
  readonly durationMs: number;
  readonly counts: Counts;
}

const SHOWN_SLOWEST = 10;

/** A line for each rung: what it came to, and how long its files took, one after the other. */
export function formatRungs(finished: readonly FinishedTask[]): string[] {
  return [...rungs, undefined].flatMap((rung) => {
    const files = finished.filter((each) => each.rung === rung);
    if (files.length === 0) return [];
    const total = sumUp(files.map(({ counts }) => counts));
    const durationMs = files.reduce((sum, each) => sum + each.durationMs, 0);
    if (rung === undefined) {
      return [`preparations: ${formatDuration(durationMs)}`];
    }
    const skipped =
      total.skipped === 0 ? "" : `, ${String(total.skipped)} skipped`;
    return [
      `${rung.name}: ${String(total.passed)} passed, ${String(total.failed)} failed${skipped} in ${String(files.length)} files, ${formatDuration(durationMs)} one after the other`,
    ];
  });
}

export function formatSlowest(finished: readonly FinishedTask[]): string[] {
  const slowest = finished
    .toSorted((one, other) => other.durationMs - one.durationMs)
    .slice(0, SHOWN_SLOWEST);
  return [
    "The slowest:",
    ...slowest.map(
      ({ name, durationMs }) =>
        `${formatDuration(durationMs).padStart(9)}  ${name}`,
    ),
  ];
}

export function sumUp(all: readonly Counts[]): Counts {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const { passed, failed, skipped } of all) {
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
  }
  return total;
}
