import { findConfig, type ConfigSource } from "../options/config.ts";
import { BootError, UsageError } from "../base/errors.ts";
import type { Host } from "../host/host.ts";
import { parseOptions, type Options } from "../options/options.ts";

const MAX_TEXT_BYTES = 64 * 1024;

/** Files to read instead of the machine's own. */
export interface OptionFiles {
  readonly cmdline?: string | undefined;
  readonly config?: string | undefined;
}

/** Reads the kernel command line and the configuration. @throws BootError, UsageError */
export function gatherOptions(host: Host, given: OptionFiles = {}): Options {
  const cmdline =
    given.cmdline === undefined
      ? host.readText("/proc/cmdline", MAX_TEXT_BYTES)
      : readGiven(host, "--cmdline", given.cmdline);
  if (cmdline === undefined) {
    throw new BootError("INVALID_CMDLINE", "there is no /proc/cmdline", {
      hint: "Mount /proc first.",
    });
  }
  const config =
    given.config === undefined
      ? gatherConfig(host)
      : {
          file: given.config,
          text: readGiven(host, "--config", given.config),
        };
  return parseOptions(cmdline, config);
}

/** The configuration of the machine. */
export function gatherConfig(host: Host): ConfigSource | undefined {
  return findConfig((file) => host.readText(file, MAX_TEXT_BYTES));
}

/** @throws UsageError */
function readGiven(host: Host, flag: string, file: string): string {
  const text = host.files.readText(file, MAX_TEXT_BYTES);
  if (text !== undefined) return text;
  throw new UsageError(`${flag}: there is no file ${file}`);
}
