import { spawn, type ChildProcessByStdio } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { isRoot, type Rung } from "./rungs.ts";
import { formatTest } from "./format.ts";
import { readTap } from "./tap-results.ts";

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const KEPT_OUTPUT_CHARACTERS = 100_000;

/** What holds for a whole run. */
export interface RunOptions {
  /** For each program: the tier, the samples' seed, this machine's slowness. */
  readonly environment: Readonly<Record<string, string>>;
  /** How many times as long as usual things take here. */
  readonly slowness: number;
}

const PREPARE = path.join(import.meta.dirname, "prepare.ts");
const PREPARE_TIMEOUT_S = 1800;

/**
 * Makes what test files need (prepare.ts), in a process of its own.
 * @param print gets whole lines
 */
export async function prepare(
  name: string,
  options: RunOptions,
  print: (text: string) => void,
): Promise<Counts> {
  const { problem } = await runToEnd(
    [PREPARE, name],
    { needsRoot: true, timeoutSeconds: PREPARE_TIMEOUT_S },
    options,
    (child) => {
      for (const stream of [child.stdout, child.stderr]) {
        createInterface(stream).on("line", (line) => {
          print(`  ${line}`);
        });
      }
    },
  );
  if (problem !== undefined) print(`  FAIL the preparation ${problem}`);
  return { passed: 0, failed: problem === undefined ? 0 : 1, skipped: 0 };
}

/**
 * Runs one test file in a process of its own. A file that crashes, hangs or has no tests counts as
 * one failure.
 * @param print gets whole lines
 */
export async function runFile(
  file: string,
  rung: Rung,
  options: RunOptions,
  print: (text: string) => void,
): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  let output = "";
  const keep = (text: string) => {
    output = (output + text).slice(-KEPT_OUTPUT_CHARACTERS);
  };
  const tap = readTap({
    test(test) {
      counts[test.outcome] += 1;
      print(formatTest(test));
    },
    comment(text) {
      print(`         ${text}`);
    },
    output: keep,
  });
  // tap names a test's directory after its arguments: two runs in one checkout have different ones.
  const args = [file, `run-${String(process.pid)}`];
  const end = await runToEnd(args, rung, options, (child) => {
    child.stdout.pipe(tap);
    child.stderr.setEncoding("utf8").on("data", keep);
  });
  const total = counts.passed + counts.failed + counts.skipped;
  const problem =
    end.problem !== undefined && counts.failed === 0
      ? end.problem
      : total === 0
        ? "has no tests"
        : undefined;
  if (problem !== undefined) {
    counts.failed += 1;
    print(`  FAIL ${file} ${problem}`);
  }
  if (counts.failed > 0 && output.trim() !== "") {
    print(
      `       what ${file} printed:\n${output.trimEnd().replace(/^/gm, "       | ")}`,
    );
  }
  return counts;
}

/** @returns how it ended, to follow its name; `undefined` where all is well */
async function runToEnd(
  args: readonly string[],
  limits: Pick<Rung, "needsRoot" | "timeoutSeconds">,
  { environment, slowness }: RunOptions,
  listen: (child: ChildProcessByStdio<null, Readable, Readable>) => void,
): Promise<{ problem: string | undefined }> {
  const timeoutS = Math.ceil(limits.timeoutSeconds * slowness);
  const { command, ...call } = commandLine(args, limits.needsRoot, {
    ...environment,
    TAP_TIMEOUT: String(timeoutS),
  });
  const child = spawn(command, call.args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: call.environment,
  });
  listen(child);
  const limit = AbortSignal.timeout(timeoutS * 1000);
  limit.addEventListener("abort", () => {
    child.kill("SIGTERM");
    // Time to clean up, then the end.
    setTimeout(() => child.kill("SIGKILL"), 30_000).unref();
  });
  const [code, signal] = await new Promise<[number | null, string | null]>(
    (resolve, reject) => {
      child.on("error", reject);
      child.on("close", (...end) => {
        resolve(end);
      });
    },
  );
  if (limit.aborted) {
    return { problem: `took longer than ${String(timeoutS)} s` };
  }
  if (signal !== null) return { problem: `was killed by ${signal}` };
  return {
    problem: code === 0 ? undefined : `exited with status ${String(code)}`,
  };
}

/**
 * As root, in a mount namespace of its own: what is mounted in one file keeps no disk of another busy,
 * and goes with the file.
 */
function commandLine(
  args: readonly string[],
  needsRoot: boolean,
  environment: Readonly<Record<string, string>>,
) {
  const call = needsRoot
    ? ["unshare", "--mount", "--", process.execPath, ...args]
    : [process.execPath, ...args];
  // sudo drops the environment.
  const { CI, FAULTS, FAULT } = process.env;
  const assignments = Object.entries({
    ...environment,
    ...{ CI, FAULTS, FAULT },
  }).flatMap(([name, value]) =>
    value === undefined ? [] : `${name}=${value}`,
  );
  const [command = "", ...rest] =
    needsRoot && !isRoot ? ["sudo", "env", ...assignments, ...call] : call;
  return {
    command,
    args: rest,
    environment: { ...process.env, ...environment },
  };
}
