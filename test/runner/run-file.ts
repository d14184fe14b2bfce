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
  // A program whose tests failed exits with a status of its own, which says nothing more.
  const isKnown = end.isOwn && counts.failed > 0;
  const problem =
    end.problem !== undefined && !isKnown
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
): Promise<Ending> {
  const timeoutS = Math.min(
    Math.ceil(limits.timeoutSeconds * slowness),
    MAX_TIMEOUT_S,
  );
  const { command, ...call } = commandLine(args, limits.needsRoot, timeoutS, {
    ...environment,
    TAP_TIMEOUT: String(timeoutS),
  });
  const child = spawn(command, call.args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: call.environment,
  });
  listen(child);
  const ending = await new Promise<[number | null, string | null] | Error>(
    (resolve) => {
      child.on("error", resolve);
      child.on("close", (...end) => {
        resolve(end);
      });
    },
  );
  if (ending instanceof Error) {
    return { problem: `cannot be run: ${ending.message}`, isOwn: false };
  }
  const [code, signal] = ending;
  if (code === 0) return { problem: undefined, isOwn: false };
  if (signal !== null) {
    return { problem: `was killed by ${signal}`, isOwn: false };
  }
  return code === TIMED_OUT || code === KILLED
    ? { problem: `took longer than ${String(timeoutS)} s`, isOwn: false }
    : { problem: `exited with status ${String(code)}`, isOwn: true };
}

interface Ending {
  readonly problem: string | undefined;
  /** Whether that is how a program ends that has told of a failure itself. */
  readonly isOwn: boolean;
}

/** timeout(1)'s exit statuses where the time was over. */
const TIMED_OUT = 124;
const KILLED = 137;
/** Node's timers, tap's too, know no more than 2^31 milliseconds. */
const MAX_TIMEOUT_S = 2_000_000;
/** For a program to clean up, when its time is over. */
const GRACE_S = 30;

/**
 * As root, in a mount namespace of its own: what is mounted in one file keeps no disk of another busy,
 * and goes with the file. Its /run/dockroot is its own, too.
 */
const ISOLATE =
  // Another test's dockroot may remove the unused directory between the two, as its own.
  'until mkdir -p /run/dockroot && mount -t tmpfs tmpfs /run/dockroot || [ -d /run/dockroot ]; do :; done; mountpoint -q /run/dockroot || exit 1; exec "$@"';

/** The time limit is timeout(1)'s: a user cannot end what sudo has started. */
function commandLine(
  args: readonly string[],
  needsRoot: boolean,
  timeoutS: number,
  environment: Readonly<Record<string, string>>,
) {
  const limited = [
    ...["timeout", "--foreground", `--kill-after=${String(GRACE_S)}`],
    ...[String(timeoutS), process.execPath, ...args],
  ];
  const call = needsRoot
    ? ["unshare", "--mount", "--", "sh", "-ec", ISOLATE, "sh", ...limited]
    : limited;
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
