import type { Parts, Result, Series } from "./comparison.ts";
import { summarize } from "./statistics.ts";

/** What is shown of a result: rows of cells below a head, the first column is names. */
export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** One table, whose last column is the ratio of the medians to the first row's, and one of the parts. */
export function tabulate(result: Result): Table[] {
  const tables = [tabulateTotals(result)];
  if (result.series.some(({ parts }) => parts !== undefined)) {
    tables.push(tabulateParts(result));
  }
  return tables;
}

function tabulateTotals({ title, unit, series }: Result): Table {
  const summaries = series.map(({ samples }) => summarize(samples));
  const baseline = summaries[0]?.median ?? NaN;
  const runs = Math.max(...series.map(({ samples }) => samples.length));
  const columns =
    runs === 1
      ? (["median"] as const)
      : (["minimum", "median", "maximum"] as const);
  return {
    title,
    head:
      runs === 1
        ? [unit, "", "ratio"]
        : [`${unit}, ${String(runs)} runs`, ...columns, "ratio"],
    rows: series.map(({ name }, row) => {
      const summary = summaries[row];
      return [
        name,
        ...columns.map((column) => (summary?.[column] ?? NaN).toFixed(1)),
        row === 0 ? "" : ((summary?.median ?? NaN) / baseline).toFixed(2),
      ];
    }),
  };
}

function tabulateParts({ title, unit, series }: Result): Table {
  const medians = series.map(medianParts);
  const names = [...new Set(medians.flatMap((parts) => Object.keys(parts)))];
  return {
    title: `${title}: where it goes`,
    head: [`${unit}, medians`, ...series.map(({ name }) => name)],
    rows: names.map((name) => [
      name,
      ...medians.map((parts) => parts[name]?.toFixed(1) ?? ""),
    ]),
  };
}

/** The median of each part by itself: they need not add up to the median of the whole. */
export function medianParts({ parts = [] }: Series): Parts {
  const names = [...new Set(parts.flatMap((sample) => Object.keys(sample)))];
  return Object.fromEntries(
    names.map((name) => [
      name,
      summarize(parts.map((sample) => sample[name] ?? 0)).median,
    ]),
  );
}
