import type { Progress } from "../fixtures/progress.ts";

/** Ways to the same end, measured side by side. */
export interface Comparison {
  readonly title: string;
  readonly unit: "ms" | "MB";
  /** The first is the baseline. */
  readonly contenders: readonly Contender[];
  /** For what takes long or hardly varies. */
  readonly maxRuns?: number;
}

export interface Contender {
  readonly name: string;
  /** Does it once, from the same start each time. */
  readonly measure: () => Promise<number | Sample>;
}

/** What was measured once, and what it is made of. */
export interface Sample {
  readonly value: number;
  readonly parts: Parts;
}

/** Name to amount, in the order in which they are shown. */
export type Parts = Readonly<Record<string, number>>;

/** What was measured, in the order of the contenders. */
export interface Result {
  readonly title: string;
  readonly unit: Comparison["unit"];
  readonly series: readonly Series[];
}

export interface Series {
  readonly name: string;
  readonly samples: readonly number[];
  /** Of each sample, where it has some. */
  readonly parts?: readonly Parts[];
}

/**
 * Measures the contenders of all comparisons in turn, so that what changes on the machine meanwhile
 * changes for all of them. The first round warms up and does not count.
 */
export async function takeTurns(
  comparisons: readonly Comparison[],
  runs: number,
  progress: Progress,
): Promise<Result[]> {
  const measured = comparisons.map((comparison) => ({
    ...comparison,
    series: comparison.contenders.map(({ name, measure }) => ({
      ...{ name, measure },
      samples: [] as number[],
      parts: [] as Parts[],
    })),
  }));
  const rounds = Math.min(
    runs,
    ...comparisons.map(({ maxRuns = Infinity }) => maxRuns),
  );
  await progress(comparisons[0]?.title ?? "", async (say) => {
    for (let round = 0; round <= rounds; round += 1) {
      for (const { unit, series } of measured) {
        for (const { name, measure, samples, parts } of series) {
          const sample = await measure();
          const value = typeof sample === "number" ? sample : sample.value;
          say(`run ${String(round)}: ${name}: ${value.toFixed(1)} ${unit}`);
          if (round === 0) continue;
          samples.push(value);
          if (typeof sample !== "number") parts.push(sample.parts);
        }
      }
    }
  });
  return measured.map(({ title, unit, series }) => ({
    ...{ title, unit },
    series: series.map(({ name, samples, parts }) => ({
      ...{ name, samples },
      ...(parts.length > 0 && { parts }),
    })),
  }));
}
