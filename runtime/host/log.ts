import fs from "node:fs";
import { BootError, isSystemError } from "../base/errors.ts";
import { escapeControl } from "../base/escape.ts";
import { appendOwnText, ensureDirectories } from "./files.ts";

/** What a record has beside its message, for programs. */
export interface LogFields {
  /** What was timed. */
  readonly step?: string;
  readonly durationMs?: number;
  /** Of a failure: see `BootFailure`. */
  readonly code?: string;
  readonly hint?: string | undefined;
}

/** Plain lines for people, records for programs. */
export interface Log {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  /** Part of a warning or an error that names files which not everybody may see. */
  detail(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

type LogLevel = keyof Log;

/** Takes one record, control characters escaped; must not fail. */
export type LogSink = (
  level: LogLevel,
  message: string,
  fields: LogFields,
) => void;

/** Kernel log levels (https://man7.org/linux/man-pages/man2/syslog.2.html). */
const KERNEL_LEVELS = { error: 3, warn: 4, info: 6 };
const JSON_LEVELS: Record<LogLevel, number> = {
  error: 50,
  warn: 40,
  detail: 40,
  info: 30,
};
/** The kernel refuses records of more than about a thousand bytes. */
const MAX_KERNEL_LINE_BYTES = 900;

export function createLog(sinks: readonly LogSink[]): Log {
  const write =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      const escaped = escapeFields(fields);
      for (const sink of sinks) sink(level, escapeControl(message), escaped);
    };
  return {
    info: write("info"),
    warn: write("warn"),
    detail: write("detail"),
    error: write("error"),
  };
}

function escapeFields({ step, durationMs, code, hint }: LogFields): LogFields {
  return {
    ...(step !== undefined && { step: escapeControl(step) }),
    ...(durationMs !== undefined && { durationMs }),
    ...(code !== undefined && { code }),
    ...(hint !== undefined && { hint: escapeControl(hint) }),
  };
}

/**
 * The JSON lines that pino writes, each in the file, which root alone may read, when the call returns.
 * Not by pino itself: to load it takes more than 3 ms of a boot (bench/README.md).
 * @see https://github.com/pinojs/pino/blob/main/docs/api.md#loggerlevels-object
 */
export function jsonLinesSink(file: string): LogSink {
  ensureDirectories(file.slice(0, file.lastIndexOf("/")));
  return quiet((level, message, fields) => {
    const record = {
      level: JSON_LEVELS[level],
      time: new Date().toISOString(),
      ...fields,
      msg: message,
    };
    appendOwnText(file, `${JSON.stringify(record)}\n`);
  });
}

/**
 * The kernel log, whose level decides what the console shows: `quiet` leaves errors there.
 * Each line opens the device anew: the kernel limits the rate of each opening. Details stay out of it:
 * every user may read it where kernel.dmesg_restrict is 0.
 */
export function kernelLogSink(device: string): LogSink {
  return quiet((level, message) => {
    if (level === "detail") return;
    for (const part of chunks(message)) {
      const priority = `<${String(KERNEL_LEVELS[level])}>`;
      // The device takes each write as a record.
      fs.appendFileSync(device, `${priority}dockroot: ${part}\n`);
    }
  });
}

/**
 * A line that cannot be written (a full disk, no such device, a file of others) must not stop a boot:
 * other sinks have it.
 */
function quiet(sink: LogSink): LogSink {
  return (level, message, fields) => {
    try {
      sink(level, message, fields);
    } catch (error) {
      if (!isSystemError(error) && !(error instanceof BootError)) throw error;
    }
  };
}

/** @param write takes a whole line */
export function plainSink(write: (line: string) => void): LogSink {
  return (level, message) => {
    const isWarning = level === "warn" || level === "detail";
    write(`dockroot: ${isWarning ? "warning: " : ""}${message}\n`);
  };
}

/** Cuts a text into pieces that the kernel takes, between characters. */
export function chunks(text: string): string[] {
  const pieces = [""];
  let bytes = 0;
  for (const character of text) {
    const size = Buffer.byteLength(character);
    if (bytes + size > MAX_KERNEL_LINE_BYTES) {
      pieces.push("");
      bytes = 0;
    }
    pieces[pieces.length - 1] += character;
    bytes += size;
  }
  return pieces;
}
