import path from "node:path";
import { isSea } from "node:sea";
import { parseArgs, styleText } from "node:util";
import { boot, planOnly } from "./runtime/boot/boot.ts";
import { bootFlags, finishFlags } from "./runtime/boot/boot-flags.ts";
import {
  DEFAULT_RUN_DIRECTORY,
  REHEARSAL_RUN_DIRECTORY,
  openRunDirectory,
} from "./runtime/disk/run-directory.ts";
import { describeFailure, formatFailure } from "./runtime/base/failure.ts";
import {
  formatFallback,
  formatOtherRoot,
} from "./runtime/boot/format-fallback.ts";
import { finish } from "./runtime/boot/finish.ts";
import { formatPlan, formatPlanAsJson } from "./runtime/plan/format-plan.ts";
import { BootError, UsageError } from "./runtime/base/errors.ts";
import { escapeControl } from "./runtime/base/escape.ts";
import { statusOfTarget } from "./runtime/host/files.ts";
import { createHost, tieHelpers } from "./runtime/host/host.ts";
import {
  createLog,
  jsonLinesSink,
  kernelLogSink,
  plainSink,
  type LogSink,
} from "./runtime/host/log.ts";
import { BOOT_LOG, formatBootRecord } from "./runtime/records/boot-record.ts";
import { version } from "./runtime/base/version.ts";

const EXIT_USAGE = 2;

const EXIT_FAILED = 1;

const EXIT_BUG = 70;

const stdout = (text: string) => write(process.stdout, text);

const stderr = (text: string) => write(process.stderr, text);

const stderrLog = plainSink(stderr);

/** A console that takes nothing (no such port, a closed pipe) must not decide how a boot ends. */
function write(stream: NodeJS.WriteStream, text: string): void {
  if (stream.listenerCount("error") === 0) stream.on("error", () => undefined);
  stream.write(text);
}

async function main(argv: readonly string[]): Promise<number> {
  // What started it may have none: the log would be anybody's to write.
  process.umask(0o022);
  const [command, ...rest] = argv;
  const asksForHelp = rest.includes("--help") || rest.includes("-h");
  if (command === "boot" && !asksForHelp) return runBoot(rest);
  if (command === "finish" && !asksForHelp) return runFinish(rest);
  if (command === "--version" && rest.length === 0) {
    stdout(`dockroot ${version} (Node ${process.version}, ${process.arch})\n`);
    return 0;
  }
  const { runInstaller } = await import("./installer/commands/main.ts");
  const { createQuestions } = await import("./installer/cli/questions.ts");
  return runInstaller(argv, {
    stdout,
    stderr,
    argv,
    executable: isSea() ? process.execPath : undefined,
    isRoot: isRoot(),
    questions:
      process.stdin.isTTY && process.stdout.isTTY
        ? createQuestions(process.stdin, process.stdout)
        : undefined,
    host: createHost("/", createLog([stderrLog])),
    terminal: {
      // A serial console has 0: nobody has told its width.
      columns: process.stdout.isTTY
        ? process.stdout.columns || undefined
        : undefined,
      style: (format, text) =>
        styleText(format, text, { stream: process.stdout }),
    },
  });
}

async function runBoot(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, bootFlags);
  requireRoot(["boot", ...args]);
  const runDirectory = prepareRunDirectory(
    flags["run-dir"] ??
      (flags.cmdline === undefined
        ? DEFAULT_RUN_DIRECTORY
        : REHEARSAL_RUN_DIRECTORY),
  );
  const request = {
    files: { cmdline: flags.cmdline, config: flags.config },
    runDirectory,
  };
  const startBarrier = checkStartBarrier(flags.when);
  if (flags["dry-run"] === true) {
    if (startBarrier !== undefined) {
      throw new UsageError("--when: a --dry-run waits for nothing");
    }
    const host = createHost("/", createLog([stderrLog]));
    const plan = await planOnly(await tieHelpers(host), request);
    stdout(flags.json === true ? formatPlanAsJson(plan) : formatPlan(plan));
    return 0;
  }
  const log = createLog([
    jsonLinesSink(path.join(runDirectory, BOOT_LOG)),
    consoleSink(flags.cmdline),
  ]);
  const host = await tieHelpers(createHost("/", log));
  const record = await boot(host, { ...request, startBarrier });
  if (record.result === "fallback") stderr(formatFallback(record));
  if (flags.json === true) stdout(formatBootRecord(record));
  return 0;
}

async function runFinish(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, finishFlags);
  requireRoot(["finish", ...args]);
  const runDirectory = prepareRunDirectory(
    flags["run-dir"] ?? DEFAULT_RUN_DIRECTORY,
  );
  const startBarrier = checkStartBarrier(flags.when);
  const log = createLog([
    jsonLinesSink(path.join(runDirectory, BOOT_LOG)),
    consoleSink(flags["run-dir"]),
  ]);
  const other = await finish(await tieHelpers(createHost("/", log)), {
    runDirectory,
    startBarrier,
  });
  if (other === undefined) return 0;
  stderr(formatOtherRoot(other));
  return other.isStopped ? EXIT_FAILED : 0;
}

function prepareRunDirectory(given: string): string {
  if (given === "") throw new UsageError("--run-dir names no directory");
  const host = createHost("/", createLog([stderrLog]));
  return openRunDirectory(host, path.resolve(given));
}

/** Has a directory, else it would be waited for without an end. */
function checkStartBarrier(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  const directory = path.dirname(file);
  if (file === "" || statusOfTarget(directory)?.kind !== "directory") {
    throw new UsageError(`--when: there is no directory for ${file}`);
  }
  return file;
}

function requireRoot(argv: readonly string[]): void {
  if (isRoot()) return;
  throw new BootError("NOT_ROOT", `dockroot ${argv[0] ?? ""} needs root`, {
    hint: `Run it with sudo: sudo dockroot ${argv.join(" ")}`,
  });
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** A rehearsal with files of its own speaks to whoever started it, a boot to the kernel log. */
function consoleSink(rehearsal: string | undefined): LogSink {
  return rehearsal === undefined ? kernelLogSink("/dev/kmsg") : stderrLog;
}

function parseFlags<
  T extends Record<string, { readonly type: "string" | "boolean" }>,
>(args: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...args], options, strict: true }).values;
  } catch (error) {
    throw new UsageError(
      (error instanceof Error ? error.message : String(error)).split(". ")[0] ??
        "",
    );
  }
}

main(process.argv.slice(2)).then(
  (exitCode) => {
    process.exitCode = exitCode;
  },
  (error: unknown) => {
    if (error instanceof UsageError) {
      stderr(
        `dockroot: ${escapeControl(error.message)}\n  see: dockroot --help\n`,
      );
      process.exitCode = EXIT_USAGE;
      return;
    }
    const failure = describeFailure(error);
    stderr(formatFailure(failure));
    process.exitCode = failure.code === "BUG" ? EXIT_BUG : EXIT_FAILED;
  },
);
