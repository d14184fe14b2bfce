import { formatTable } from "../installer/commands/status/table.ts";
import type { Result } from "./comparison.ts";
import { summarize } from "./statistics.ts";

/** A table whose last column is the ratio of the medians to the first row's. */
export function formatResult({ title, unit, series }: Result): string {
  const summaries = series.map(({ samples }) => summarize(samples));
  const rows = series.map(({ name, samples }, row) => {
    const { minimum, median, maximum } = summarize(samples);
    const baseline = summaries[0]?.median ?? NaN;
    return [
      `  ${name}`,
      ...[minimum, median, maximum].map((value) => value.toFixed(1)),
      row === 0 ? "" : (median / baseline).toFixed(2),
    ];
  });
  const runs = String(series[0]?.samples.length ?? 0);
  return [
    title,
    ...formatTable(
      [
        [`  ${unit}, ${runs} runs`, "minimum", "median", "maximum", "ratio"],
        ...rows,
      ],
      { rightAligned: [1, 2, 3, 4] },
    ),
  ].join("\n");
}
