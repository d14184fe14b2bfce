/** Measures, prints tables, and keeps the samples in .cache/bench/results.json. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { createProgress } from "../fixtures/progress.ts";
import { rootsAlone } from "../fixtures/roots-alone.ts";
import { undoLater } from "../fixtures/undo.ts";
import { version } from "../runtime/base/version.ts";
import { takeTurns, type Result } from "./comparison.ts";
import { coldStart } from "./cold-start.ts";
import type { Entry } from "./entry.ts";
import { formatResult } from "./format-result.ts";
import { formatMachine, readMachineFacts } from "./machine-facts.ts";
import { gate } from "./gate.ts";
import { machineStart } from "./machine-start.ts";
import { memory } from "./memory.ts";
import { overlays } from "./overlays.ts";
import { keepResults, RESULTS_FILE, type EntryResult } from "./results.ts";
import { sizes } from "./sizes.ts";
import { startUp } from "./start-up.ts";
import { DOCKROOT } from "./start.ts";
import { storeSize } from "./store-size.ts";
import { topLayer } from "./top-layer.ts";
import { wholeBoot } from "./whole-boot.ts";

const ENTRIES: readonly Entry[] = [
  startUp,
  wholeBoot,
  gate,
  storeSize,
  overlays,
  coldStart,
  memory,
  topLayer,
  sizes,
  machineStart,
];

const HELP = `usage: bench/bench.ts [--runs=N] [--only=ENTRY[,ENTRY...]] [--before=FILE]

  --runs=N       how often each is measured, after a round that does not count [15]
  --only=ENTRY   these entries alone; what other entries have measured stays in the results
  --before=FILE  another dockroot, to be measured beside this project's

entries:
${ENTRIES.map(({ name, describe }) => `  ${name.padEnd(13)}  ${describe}`).join("\n")}

All samples: .cache/bench/results.json
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "15" },
      only: { type: "string" },
      before: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) {
    throw new Error(`RUNS=${values.runs} is no number of runs`);
  }
  const entries = chooseEntries(values.only);
  if (process.getuid?.() !== 0) {
    throw new Error("disks are mounted and a dockerd started: run it as root");
  }
  const executables = [
    DOCKROOT,
    ...(values.before === undefined
      ? []
      : [{ name: "dockroot before", file: resolve(values.before) }]),
  ];
  const machine = await readMachineFacts();
  console.log(`${formatMachine(machine)}\n`);
  const directory = join(import.meta.dirname, "../.cache/bench");
  await mkdir(directory, { recursive: true });
  const progress = createProgress(process.stderr);
  for (const { name, measure } of entries) {
    const results: EntryResult[] = [];
    const record = (result: Result) => {
      console.log(`${formatResult(result)}\n`);
      results.push({ ...result, entry: name });
    };
    const scratch = await mkdtemp(join(rootsAlone(directory), "work-"));
    const removeScratch = undoLater(() =>
      rm(scratch, { recursive: true, force: true }),
    );
    try {
      await measure({
        ...{ scratch, progress, executables, record },
        compare: async (...comparisons) => {
          const measured = await takeTurns(comparisons, runs, progress);
          measured.forEach(record);
          return measured;
        },
      });
    } finally {
      await removeScratch();
    }
    await keepResults({ dockroot: version, machine, results }, name);
  }
  console.log(`All samples: ${RESULTS_FILE}`);
}

/** @throws Error where there is none of that name */
function chooseEntries(only: string | undefined): readonly Entry[] {
  if (only === undefined) return ENTRIES;
  return only.split(",").map((wanted) => {
    const entry = ENTRIES.find(({ name }) => name === wanted);
    if (entry === undefined) {
      const names = ENTRIES.map(({ name }) => name).join(", ");
      throw new Error(`there is no entry ${wanted}: ${names}`);
    }
    return entry;
  });
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? `bench: ${error.message}` : error);
  process.exitCode = 1;
}
