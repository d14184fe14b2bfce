import path from "node:path";
import { isSea } from "node:sea";
import { styleText } from "node:util";
import { boot } from "./runtime/boot/boot.ts";
import { planOnly } from "./runtime/boot/look-at-disk.ts";
import { bootFlags, finishFlags } from "./runtime/boot/boot-flags.ts";
import {
  DEFAULT_RUN_DIRECTORY,
  REHEARSAL_RUN_DIRECTORY,
  openRunDirectory,
} from "./runtime/disk/run-directory.ts";
import { describeFailure, formatFailure } from "./runtime/base/failure.ts";
import {
  formatFallback,
  formatMissingModules,
  formatOtherRoot,
} from "./runtime/boot/report.ts";
import { finish } from "./runtime/boot/finish.ts";
import { formatPlan, formatPlanAsJson } from "./runtime/plan/format-plan.ts";
import {
  BootError,
  explainUsage,
  systemErrorCode,
  UsageError,
} from "./runtime/base/errors.ts";
import { escapeControl } from "./runtime/base/escape.ts";
import { statusOfTarget } from "./runtime/host/files.ts";
import { createHost, tieHelpers, type Host } from "./runtime/host/host.ts";
import {
  createLog,
  jsonLinesSink,
  kernelLogSink,
  plainSink,
  type LogSink,
} from "./runtime/host/log.ts";
import { BOOT_LOG, formatBootRecord } from "./runtime/records/boot-record.ts";
import { readFlags } from "./runtime/base/flags.ts";
import type { CliContext } from "./installer/cli/cli-context.ts";
import { version } from "./runtime/base/version.ts";

const EXIT_USAGE = 2;

const EXIT_FAILED = 1;

const EXIT_BUG = 70;

const stdout = (text: string) => write(process.stdout, text, failOutput);

const stderr = (text: string) => write(process.stderr, text, () => undefined);

/** A console that takes nothing (no such port, a closed pipe) must not decide how a boot ends. */
const bootStdout = (text: string) =>
  write(process.stdout, text, () => undefined);

const stderrLog = plainSink(stderr);

function write(
  stream: NodeJS.WriteStream,
  text: string,
  onError: (error: Error) => void,
): void {
  if (stream.listenerCount("error") === 0) stream.on("error", onError);
  stream.write(text);
}

/** Who reads no further (head) is content with what there was. */
function failOutput(error: Error): void {
  if (systemErrorCode(error) === "EPIPE") return;
  if (!process.exitCode) process.exitCode = EXIT_FAILED;
  stderr(`dockroot: cannot write to stdout\n  because: ${error.message}\n`);
}

async function main(argv: readonly string[]): Promise<number> {
  // What started it may have none: the log would be anybody's to write.
  process.umask(0o022);
  const [command, ...rest] = argv;
  const asksForHelp = rest.includes("--help") || rest.includes("-h");
  if ((command === "boot" || command === "finish") && !asksForHelp) {
    return explainUsage(command, () => runtimeCommands[command](rest));
  }
  if (["--version", "-V"].includes(command ?? "") && rest.length === 0) {
    stdout(`dockroot ${version} (Node ${process.version}, ${process.arch})\n`);
    return 0;
  }
  const { runInstaller } = await import("./installer/commands/main.ts");
  const { wrapLines } = await import("./installer/text/wrap.ts");
  const { createQuestions } = await import("./installer/cli/questions.ts");
  const wrappedStderr = (text: string) => {
    stderr(wrapLines(text, columnsOf(process.stderr)));
  };
  const context: CliContext = {
    stdout,
    stderr: wrappedStderr,
    argv,
    executable: isSea() ? process.execPath : undefined,
    isRoot: isRoot(),
    questions:
      process.stdin.isTTY && process.stdout.isTTY
        ? createQuestions(process.stdin, process.stdout)
        : undefined,
    host: createHost("/", createLog([stderrLog])),
    terminal: {
      columns: columnsOf(process.stdout),
      style: (format, text) =>
        styleText(format, text, { stream: process.stdout }),
    },
  };
  try {
    return await runInstaller(argv, context, runtimeCommands);
  } catch (error) {
    return tellFailure(error, wrappedStderr);
  }
}

/** `undefined` where it is no terminal. A serial console has 0: nobody has told its width. */
function columnsOf(stream: NodeJS.WriteStream): number | undefined {
  return stream.isTTY ? stream.columns || undefined : undefined;
}

/** What starts without yargs and the installer. */
const runtimeCommands = { boot: runBoot, finish: runFinish };

async function runBoot(args: readonly string[]): Promise<number> {
  const flags = readFlags(args, bootFlags);
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
    startBarrier: checkStartBarrier(flags.when),
  };
  if (flags["dry-run"]) {
    if (flags.when !== undefined) {
      throw new UsageError("--when has no effect with --dry-run");
    }
    const host = await createTiedHost(stderrLog);
    const { planned, isWithoutDrivers } = await planOnly(host, request);
    stdout(flags.json ? formatPlanAsJson(planned) : formatPlan(planned));
    return isWithoutDrivers ? EXIT_FAILED : 0;
  }
  const sinks = bootSinks(runDirectory, flags.cmdline);
  const record = await boot(await createTiedHost(...sinks), request);
  if (record.result === "fallback") stderr(formatFallback(record));
  else if (record.hasModules === false) stderr(formatMissingModules(record));
  if (flags.json) bootStdout(formatBootRecord(record));
  return 0;
}

async function runFinish(args: readonly string[]): Promise<number> {
  const flags = readFlags(args, finishFlags);
  requireRoot(["finish", ...args]);
  const runDirectory = prepareRunDirectory(
    flags["run-dir"] ?? DEFAULT_RUN_DIRECTORY,
  );
  const startBarrier = checkStartBarrier(flags.when);
  const sinks = bootSinks(runDirectory, flags["run-dir"]);
  const host = await createTiedHost(...sinks);
  const other = await finish(host, { runDirectory, startBarrier });
  if (other === undefined) return 0;
  stderr(formatOtherRoot(other));
  return other.isStopped ? EXIT_FAILED : 0;
}

function prepareRunDirectory(given: string): string {
  const host = createHost("/", createLog([stderrLog]));
  return openRunDirectory(host, path.resolve(given));
}

function createTiedHost(...sinks: readonly LogSink[]): Promise<Host> {
  return tieHelpers(createHost("/", createLog(sinks)));
}

/** A rehearsal with files of its own speaks to whoever started it, a boot to the kernel log. */
function bootSinks(
  runDirectory: string,
  rehearsal: string | undefined,
): LogSink[] {
  return [
    jsonLinesSink(path.join(runDirectory, BOOT_LOG)),
    rehearsal === undefined ? kernelLogSink("/dev/kmsg") : stderrLog,
  ];
}

/** Has a directory, else it would be waited for without an end. */
function checkStartBarrier(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  if (statusOfTarget(path.dirname(file))?.kind !== "directory") {
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

main(process.argv.slice(2)).then(
  (exitCode) => {
    // What could not be written has been told.
    process.exitCode ||= exitCode;
  },
  (error: unknown) => {
    process.exitCode = tellFailure(error, stderr);
  },
);

/** @returns the exit status */
function tellFailure(error: unknown, tell: (text: string) => unknown): number {
  if (error instanceof UsageError) {
    const help = ["dockroot", error.command ?? "", "--help"]
      .filter((word) => word !== "")
      .join(" ");
    tell(`dockroot: ${escapeControl(error.message)}\n  see: ${help}\n`);
    return EXIT_USAGE;
  }
  const failure = describeFailure(error);
  tell(formatFailure(failure));
  return failure.code === "BUG" ? EXIT_BUG : EXIT_FAILED;
}
