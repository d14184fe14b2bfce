import { spawn } from "node:child_process";
import { isRoot, type Rung } from "./rungs.ts";
import { formatTest } from "./format.ts";
import { readTap } from "./tap-results.ts";

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const KEPT_OUTPUT_CHARACTERS = 100_000;

/**
 * Runs one test file in a process of its own. A file that crashes, hangs or has no tests counts as
 * one failure.
 * @param print gets whole lines
 */
export async function runFile(
  file: string,
  rung: Rung,
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
  print(file);
  const end = await runToEnd(file, rung, tap, keep);
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

async function runToEnd(
  file: string,
  rung: Rung,
  tap: NodeJS.WritableStream,
  keep: (text: string) => void,
): Promise<{ problem: string | undefined }> {
  const { command, args, environment } = commandLine(file, rung);
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: environment,
  });
  child.stdout.pipe(tap);
  child.stderr.setEncoding("utf8").on("data", keep);
  const limit = AbortSignal.timeout(rung.timeoutSeconds * 1000);
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
    return { problem: `took longer than ${String(rung.timeoutSeconds)} s` };
  }
  if (signal !== null) return { problem: `was ended by ${signal}` };
  return {
    problem: code === 0 ? undefined : `ended with exit code ${String(code)}`,
  };
}

function commandLine(file: string, rung: Rung) {
  const limit = { TAP_TIMEOUT: String(rung.timeoutSeconds) };
  // tap names a test's directory after its arguments: two runs in one checkout have different ones.
  const run = `run-${String(process.pid)}`;
  if (!rung.needsRoot || isRoot) {
    const environment = { ...process.env, ...limit };
    return { command: process.execPath, args: [file, run], environment };
  }
  // sudo drops the environment.
  const { CI, FAULTS, FAULT } = process.env;
  const assignments = Object.entries({ ...limit, CI, FAULTS, FAULT }).flatMap(
    ([name, value]) => (value === undefined ? [] : `${name}=${value}`),
  );
  const args = ["env", ...assignments, process.execPath, file, run];
  return { command: "sudo", args, environment: process.env };
}
