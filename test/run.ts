import { globSync } from "node:fs";
import path from "node:path";
import { reasonToSkip, rungs, type Rung } from "./runner/rungs.ts";
import { runFile, type Counts } from "./runner/run-file.ts";
import { formatDuration } from "./runner/format.ts";

// node test/run.ts [RUNG | FILE]...: runs the rungs of tests in their order, all but the campaigns of
// faults if none is named. Its last line is the sum. A rung whose needs are missing is skipped, or failed with CI=true.

const isCi = process.env["CI"] === "true";
const print = (text: string) => {
  process.stdout.write(`${text}\n`);
};

process.chdir(path.join(import.meta.dirname, ".."));
const sum: Counts = { passed: 0, failed: 0, skipped: 0 };
const interruption = new AbortController();
// The test gets the signal too and cleans up; a second Ctrl-C ends this program at once.
process.once("SIGINT", () => {
  interruption.abort();
});
for (const { rung, files } of selectFiles(process.argv.slice(2))) {
  if (!interruption.signal.aborted) await runRung(rung, files);
}
if (sum.skipped > 0) print(`${String(sum.skipped)} skipped`);
print(`${String(sum.passed)} passed, ${String(sum.failed)} failed`);
process.exitCode =
  sum.failed === 0 && sum.passed > 0 && !interruption.signal.aborted ? 0 : 1;

function selectFiles(
  wanted: readonly string[],
): { rung: Rung; files: string[] }[] {
  const selection = rungs.map((rung) => {
    const all = globSync(`test/${rung.name}/**/*.test.ts`).sort();
    const isAll =
      wanted.includes(rung.name) ||
      (wanted.length === 0 && rung.isCampaign === undefined);
    return {
      rung,
      all,
      files: isAll ? all : all.filter((file) => wanted.includes(file)),
    };
  });
  for (const name of wanted) {
    if (
      !selection.some(
        ({ rung, all }) => rung.name === name || all.includes(name),
      )
    ) {
      print(`${name}: neither a rung of tests nor a test file`);
      sum.failed += 1;
    }
  }
  return selection.filter(
    ({ rung, files }) =>
      wanted.includes(rung.name) ||
      files.length > 0 ||
      (wanted.length === 0 && rung.isCampaign === undefined),
  );
}

async function runRung(rung: Rung, files: readonly string[]): Promise<void> {
  const reason = files.length === 0 ? "no test files" : reasonToSkip(rung);
  if (reason !== undefined) {
    print(`${rung.name}: ${isCi ? "FAIL" : "skipped"}: ${reason}\n`);
    if (isCi) sum.failed += 1;
    return;
  }
  const startMs = performance.now();
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  const pending = [...files];
  const work = async () => {
    while (!interruption.signal.aborted) {
      const file = pending.shift();
      if (file === undefined) return;
      add(counts, await runOne(file, rung));
    }
  };
  await Promise.all(Array.from({ length: rung.jobs }, work));
  add(sum, counts);
  const skipped =
    counts.skipped === 0 ? "" : `, ${String(counts.skipped)} skipped`;
  print(
    `${rung.name}: ${String(counts.passed)} passed, ${String(counts.failed)} failed${skipped} in ${formatDuration(performance.now() - startMs)}\n`,
  );
}

/** Lines come as they are written where one file runs at a time, else file by file. */
async function runOne(file: string, rung: Rung): Promise<Counts> {
  if (rung.jobs === 1) return runFile(file, rung, print);
  const lines: string[] = [];
  const counts = await runFile(file, rung, (text) => lines.push(text));
  print(lines.join("\n"));
  return counts;
}

function add(total: Counts, more: Counts): void {
  total.passed += more.passed;
  total.failed += more.failed;
  total.skipped += more.skipped;
}
