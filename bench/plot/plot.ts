/**
 * What `make bench-plot` runs: of what was measured last, draws docs/boot-time.svg and puts the tables
 * into bench/README.md.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { format } from "prettier";
import { readResults } from "../results.ts";
import { drawCharts } from "./bars.ts";
import { planCharts } from "./boot-charts.ts";
import { fillTables } from "./fill-tables.ts";

const DOCS = join(import.meta.dirname, "../../docs");
const CHART = join(DOCS, "boot-time.svg");
const PAGE = join(import.meta.dirname, "../README.md");

try {
  const results = await readResults();
  await writeFile(CHART, drawCharts(planCharts(results.results)));
  const page = fillTables(await readFile(PAGE, "utf8"), results);
  await writeFile(PAGE, await format(page, { parser: "markdown" }));
  console.log(`written: ${CHART}, ${PAGE}`);
} catch (error) {
  console.error(
    `bench-plot: ${error instanceof Error ? error.message : String(error)}`,
  );
  process.exitCode = 1;
}
