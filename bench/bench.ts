/**
 * Measures, prints tables, and keeps the samples in .cache/bench/results.json.
 * --runs=N: how often each is measured.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createProgress } from "../fixtures/progress.ts";
import { undoLater } from "../fixtures/undo.ts";
import { version } from "../runtime/version.ts";
import { takeTurns, type Result } from "./comparison.ts";
import type { Entry } from "./entry.ts";
import { formatResult } from "./format-result.ts";
import { formatMachine, readMachineFacts } from "./machine-facts.ts";
import { benchTopLayer } from "./top-layer.ts";

const entries: readonly Entry[] = [benchTopLayer];

const DIRECTORY = join(import.meta.dirname, "../.cache/bench");

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { runs: { type: "string", default: "15" } },
  });
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) {
    throw new Error(`RUNS=${values.runs} is no number of runs`);
  }
  if (process.getuid?.() !== 0) {
    throw new Error("disks are mounted and a dockerd started: run it as root");
  }
  const machine = await readMachineFacts();
  console.log(`${formatMachine(machine)}\n`);
  const results: Result[] = [];
  await mkdir(DIRECTORY, { recursive: true });
  const scratch = await mkdtemp(join(DIRECTORY, "work-"));
  const removeScratch = undoLater(() =>
    rm(scratch, { recursive: true, force: true }),
  );
  try {
    const progress = createProgress(process.stderr);
    for (const measure of entries) {
      await measure({
        ...{ scratch, progress },
        compare: async (comparison) => {
          const result = await takeTurns(comparison, runs, progress);
          console.log(`${formatResult(result)}\n`);
          results.push(result);
        },
      });
    }
  } finally {
    await removeScratch();
  }
  const file = join(DIRECTORY, "results.json");
  await writeFile(
    file,
    `${JSON.stringify({ dockroot: version, machine, results }, null, 2)}\n`,
  );
  console.log(`All samples: ${file}`);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? `bench: ${error.message}` : error);
  process.exitCode = 1;
}
