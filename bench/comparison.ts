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
  readonly measure: () => Promise<number>;
}

/** What was measured, in the order of the contenders. */
export interface Result {
  readonly title: string;
  readonly unit: Comparison["unit"];
  readonly series: readonly Series[];
}

export interface Series {
  readonly name: string;
  readonly samples: readonly number[];
}

/**
 * Measures the contenders in turn, so that what changes on the machine meanwhile changes for all of
 * them. The first round warms up and does not count.
 */
export async function takeTurns(
  { title, unit, contenders, maxRuns = Infinity }: Comparison,
  runs: number,
  progress: Progress,
): Promise<Result> {
  const rounds = Math.min(runs, maxRuns);
  const series = contenders.map(({ name, measure }) => ({
    ...{ name, measure },
    samples: [] as number[],
  }));
  await progress(title, async (say) => {
    for (let round = 0; round <= rounds; round += 1) {
      for (const { name, measure, samples } of series) {
        const sample = await measure();
        say(`run ${String(round)}: ${name}: ${sample.toFixed(1)} ${unit}`);
        if (round > 0) samples.push(sample);
      }
    }
  });
  return {
    ...{ title, unit },
    series: series.map(({ name, samples }) => ({ name, samples })),
  };
}
