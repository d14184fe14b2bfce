import type { EntryResult } from "../results.ts";
import { summarize } from "../statistics.ts";
import { medianParts } from "../tabulate.ts";
import type { BarChart, BarGroup } from "./bars.ts";

/** Of parts: people with any colour vision tell them apart (Okabe and Ito), and two greys. */
const FILLS = [
  ...["#0072b2", "#56b4e9", "#009e73", "#cc79a7"],
  ...["#e69f00", "#d55e00", "#8c959f", "#afb8c1"],
];
const SHELL_FILL = "#8c959f";
const DOCKROOT_FILL = "#0072b2";
const BEFORE_FILL = "#56b4e9";

/** What `make bench-plot` draws: where the time of a boot goes, and how it grows with the store. */
export function planCharts(results: readonly EntryResult[]): BarChart[] {
  return [planParts(results), planGrowth(results)];
}

function planParts(results: readonly EntryResult[]): BarChart {
  const result = results.find(
    ({ entry, series }) => entry === "boot" && series[0]?.parts !== undefined,
  );
  if (result === undefined) throw missing("boot");
  const bars = result.series.map((series) => ({
    name: series.name,
    segments: Object.entries(medianParts(series)).map(([colour, ms]) => ({
      colour,
      ms,
    })),
  }));
  const parts = bars[0]?.segments.map(({ colour }) => colour) ?? [];
  return {
    title: "Where the time of a boot goes, until root is mounted",
    colours: parts.map((name, index) => ({
      name,
      fill: FILLS[index % FILLS.length] ?? "none",
    })),
    groups: [{ bars }],
  };
}

/** A group for each store, with a bar for each program. */
function planGrowth(results: readonly EntryResult[]): BarChart {
  const programs = results
    .filter(
      ({ entry, title }) =>
        entry === "store-size" && !title.includes("containerd"),
    )
    .map((result) => ({
      name: result.title.replace(/^.*: /, ""),
      series: result.series,
    }));
  const stores = programs[0]?.series.map(({ name }) => name) ?? [];
  if (stores.length === 0) throw missing("store-size");
  return {
    title: "How a boot grows with the image store",
    colours: programs.map(({ name }) => ({
      name,
      fill: fillOf(name),
    })),
    groups: stores.map((store, index): BarGroup => ({
      title: store,
      bars: programs.map(({ name, series }) => ({
        name,
        segments: [
          {
            colour: name,
            ms: summarize(series[index]?.samples ?? []).median,
          },
        ],
      })),
    })),
  };
}

function fillOf(program: string): string {
  if (program === "dockroot") return DOCKROOT_FILL;
  return program.startsWith("dockroot") ? BEFORE_FILL : SHELL_FILL;
}

function missing(entry: string): Error {
  return new Error(
    `the results have nothing of the entry ${entry}: run make bench, or make bench ENTRY=${entry}`,
  );
}
