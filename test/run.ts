import path from "node:path";
import { parseArgs } from "node:util";
import { measureSlowness } from "../fixtures/emulation-speed.ts";
import { SLOWNESS_VARIABLE } from "../fixtures/slowness.ts";
import { formatCampaigns } from "./runner/campaign-table.ts";
import type { Tier } from "./runner/declaration.ts";
import { findProgram } from "./runner/find-program.ts";
import { formatDuration } from "./runner/format.ts";
import { prepare, runFile, type RunOptions } from "./runner/run-file.ts";
import { reasonToSkip } from "./runner/rungs.ts";
import { chooseNext } from "./runner/schedule.ts";
import {
  selectFiles,
  type RunTask,
  type Selection,
} from "./runner/select-files.ts";
import { createStatusLine } from "./runner/status-line.ts";
import {
  formatRungs,
  formatSlowest,
  sumUp,
  type FinishedTask,
} from "./runner/summary.ts";
import { sampleSeed } from "./tier.ts";

const USAGE = `usage: node test/run.ts [--all] [RUNG | FILE]...
Runs tests, two files at a time. RUNG: unit, binary, root, vm or faults; without RUNG and FILE, all of
them. --all: what the first tier leaves out, too, and whole campaigns of faults in place of samples.
TEST_SEED=N chooses the samples; without it the commit does. The last line is the sum.`;

/** The machine for which time limits are set has two cores. */
const SLOTS = 2;

const isCi = process.env["CI"] === "true";
const status = createStatusLine(process.stdout);
const finished: FinishedTask[] = [];
let otherFailures = 0;
let isInterrupted = false;

process.chdir(path.join(import.meta.dirname, ".."));
// The tests get the signal too and clean up; a second Ctrl-C ends this program at once.
process.once("SIGINT", () => {
  isInterrupted = true;
});
process.exitCode = await main();

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { all: { type: "boolean" }, help: { type: "boolean" } },
  });
  if (values.help === true) {
    status.print(USAGE);
    return 0;
  }
  const tier = values.all === true ? "all" : "first";
  const beginMs = Date.now();
  const selection = selectFiles(positionals, tier, reasonToSkip);
  selection.problems.forEach(fail);
  for (const { rung, reason } of selection.skipped) {
    if (isCi) fail(`${rung.name}: ${reason}`);
    else status.print(`${rung.name}: skipped: ${reason}`);
  }
  await runAll(selection.tasks, await measureRun(selection.tasks, tier));
  status.clear();
  return printSummary(selection, beginMs);
}

async function measureRun(
  tasks: readonly RunTask[],
  tier: Tier,
): Promise<RunOptions> {
  const seed = String(orFail(sampleSeed, 0));
  const environment = {
    TEST_TIER: tier,
    TEST_SEED: seed,
    // A test's mount(8) finds no label by libblkid's cache in /run, in which another test's blkid has a
    // former filesystem of the same loop device.
    BLKID_FILE: "/dev/null",
  };
  const needsMachine = tasks.some(({ rung }) => rung?.needsRoot === true);
  if (!needsMachine || findProgram("qemu-system-x86_64") === undefined) {
    return { environment, slowness: 1 };
  }
  status.show("measuring how fast this machine emulates another");
  const slowness = await measureSlowness().catch((error: unknown) =>
    orFail(() => {
      throw error;
    }, 1),
  );
  status.print(
    `Time limits are scaled by ${slowness.toFixed(2)}, from the speed of emulation.${tier === "first" ? ` Samples: TEST_SEED=${seed}.` : ""}\n`,
  );
  return {
    environment: { ...environment, [SLOWNESS_VARIABLE]: String(slowness) },
    slowness,
  };
}

/** What a run cannot be begun without, or else, with a failure, what it goes on with. */
function orFail<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
    return otherwise;
  }
}

async function runAll(
  tasks: readonly RunTask[],
  options: RunOptions,
): Promise<void> {
  const pending = [...tasks];
  const running = new Map<RunTask, Promise<void>>();
  while (pending.length + running.size > 0) {
    const next = isInterrupted
      ? undefined
      : chooseNext(pending, [...running.keys()], SLOTS);
    if (next !== undefined) {
      pending.splice(pending.indexOf(next), 1);
      running.set(
        next,
        runTask(next, options, tasks.length === 1).then((hasFailed) => {
          running.delete(next);
          if (next.rung === undefined && hasFailed && !isInterrupted) {
            dropUsersOf(next, pending);
          }
        }),
      );
      continue;
    }
    if (running.size === 0) break;
    const names = [...running.keys()].map(({ name }) => name).join(", ");
    status.show(`${names}; ${String(pending.length)} to come`);
    await Promise.race(running.values());
  }
  if (pending.length > 0 && !isInterrupted) {
    fail(`cannot run: ${pending.map(({ name }) => name).join(", ")}`);
  }
}

/** @returns whether something failed */
async function runTask(
  { name, rung }: RunTask,
  options: RunOptions,
  isOnlyTask: boolean,
): Promise<boolean> {
  const begin = performance.now();
  // The lines of one file stand together; those of the only one come as they are written.
  const lines: string[] = [];
  const print = isOnlyTask
    ? status.print
    : (text: string) => void lines.push(text);
  const counts =
    rung === undefined
      ? await prepare(name, options, print)
      : await runFile(name, rung, options, print);
  const durationMs = performance.now() - begin;
  const title = rung === undefined ? `preparation: ${name}` : name;
  status.print(
    [`${title} (${formatDuration(durationMs)})`, ...lines].join("\n"),
  );
  finished.push({ name: title, rung, durationMs, counts });
  return counts.failed > 0;
}

/** They would only fail in other words. */
function dropUsersOf({ name }: RunTask, pending: RunTask[]): void {
  for (const user of pending.filter(({ needs }) => needs.includes(name))) {
    const at = pending.indexOf(user);
    // One that needs both went with the other.
    if (at < 0) continue;
    pending.splice(at, 1);
    fail(`${user.name} was not run, since ${name} was not prepared`);
    if (user.rung === undefined) dropUsersOf(user, pending);
  }
}

function fail(text: string): void {
  otherFailures += 1;
  status.print(`  FAIL ${text}`);
}

function printSummary(
  { leftOut, sampled }: Selection,
  beginMs: number,
): number {
  const { passed, failed, skipped } = sumUp([
    ...finished.map(({ counts }) => counts),
    { passed: 0, failed: otherFailures, skipped: 0 },
  ]);
  const failures = finished.filter(({ counts }) => counts.failed > 0);
  const lines = [
    "",
    ...formatCampaigns(beginMs),
    ...(finished.length > 1 ? [...formatSlowest(finished), ""] : []),
    ...formatRungs(finished),
    `${formatDuration(Date.now() - beginMs)} in all, in ${String(SLOTS)} slots`,
    ...(failures.length > 0
      ? [`FAILED: ${failures.map(({ name }) => name).join(", ")}`]
      : []),
    ...(leftOut.length + sampled.length > 0
      ? [
          `Left out, run by "make test-all": ${[...leftOut, ...sampled.map((file) => `${file} (a sample was run)`)].join(", ")}`,
        ]
      : []),
    ...(skipped > 0 ? [`${String(skipped)} skipped`] : []),
    `${String(passed)} passed, ${String(failed)} failed`,
  ];
  status.print(lines.join("\n"));
  return failed === 0 && passed > 0 && !isInterrupted ? 0 : 1;
}
