import { multistream, pino, type Logger } from "pino";
import { UsageError } from "../../runtime/base/errors.ts";
import { escapeControl } from "../../runtime/base/escape.ts";
import { describeFailure } from "../../runtime/base/failure.ts";
import { version } from "../../runtime/base/version.ts";
import type { CliContext } from "./cli-context.ts";

/** What the commands that change the installed system have done: JSON lines, for root alone. */
export const COMMAND_LOG = "/var/log/dockroot.log";

interface LogFlags {
  readonly "dry-run"?: boolean | undefined;
  readonly verbose?: boolean | undefined;
}

/**
 * Runs a command, and logs how it was called and how it ended. With `dry-run` nothing is written to the
 * file; with `verbose` the log is printed on stderr, too, for people.
 * @param work gets the log; what it throws is logged and thrown on
 */
export async function withCommandLog(
  command: string,
  flags: LogFlags,
  cli: CliContext,
  work: (log: Logger) => Promise<number>,
): Promise<number> {
  const { host } = cli;
  const log = await createCommandLog(command, flags, cli);
  const begun = host.nowMs();
  const durationMs = () => Math.round(host.nowMs() - begun);
  log.info({ version, flags }, "begins");
  try {
    const exitStatus = await work(log);
    log.info({ exitStatus, durationMs: durationMs() }, "ended");
    return exitStatus;
  } catch (error) {
    logFailure(log, error, { durationMs: durationMs() });
    throw error;
  }
}

/** @param fields what else is known */
export function logFailure(
  log: Logger,
  error: unknown,
  fields: Readonly<Record<string, unknown>> = {},
): void {
  if (error instanceof UsageError) {
    log.error({ code: "USAGE", ...fields }, error.message);
    return;
  }
  const { message, code, causes, hint } = describeFailure(error);
  log.error({ code, causes, hint, ...fields }, message);
}

/** Synchronous: what was logged is in the file, however the process ends. */
async function createCommandLog(
  command: string,
  flags: LogFlags,
  { host, stderr }: CliContext,
): Promise<Logger> {
  const streams: { write: (line: string) => void }[] = [];
  if (flags["dry-run"] !== true) {
    let isWritable = true;
    const write = (line: string) => {
      if (!isWritable) return;
      try {
        host.files.appendOwnText(host.path(COMMAND_LOG), line);
      } catch (error) {
        isWritable = false;
        const { message } = describeFailure(error);
        stderr(`dockroot: warning: cannot write the log: ${message}\n`);
      }
    };
    streams.push({ write });
  }
  if (flags.verbose === true) {
    const { default: pretty } = await import("pino-pretty");
    const format = pretty.prettyFactory({
      colorize: false,
      ignore: "pid,command",
      singleLine: true,
      translateTime: "SYS:HH:MM:ss.l",
    });
    const write = (line: string) => {
      stderr(`${escapeControl(format(line).trimEnd())}\n`);
    };
    streams.push({ write });
  }
  return pino(
    {
      base: { pid: host.processId, command },
      timestamp: pino.stdTimeFunctions.isoTime,
      enabled: streams.length > 0,
    },
    multistream(streams),
  );
}
