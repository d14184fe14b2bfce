import type { ConfigSource } from "../options/config.ts";
import { BootError, UsageError } from "../base/errors.ts";
import type { Host } from "../host/host.ts";
import { readBootOptions, type BootOptions } from "../options/options.ts";

const CONFIG_FILES = ["/etc/dockroot.json", "/etc/docker-btrfs.json"];
const MAX_TEXT_BYTES = 64 * 1024;

/** Files to read instead of the machine's own. */
export interface OptionFiles {
  readonly cmdline: string | undefined;
  readonly config: string | undefined;
}

/** None: all are the machine's own. */
const RUNNING_SYSTEM: OptionFiles = { cmdline: undefined, config: undefined };

/** Reads the kernel command line and the configuration. @throws BootError, UsageError */
export function gatherOptions(host: Host, given = RUNNING_SYSTEM): BootOptions {
  const { cmdline, config } = readOptionTexts(host, given);
  return readBootOptions(cmdline, config);
}

/** What options are read from. @throws BootError, UsageError */
export function readOptionTexts(
  host: Host,
  given = RUNNING_SYSTEM,
): { cmdline: string; config: ConfigSource | undefined } {
  const cmdline =
    given.cmdline === undefined
      ? host.readText("/proc/cmdline", MAX_TEXT_BYTES)
      : host.files.readText(given.cmdline, MAX_TEXT_BYTES);
  if (cmdline === undefined) {
    throw given.cmdline === undefined
      ? new BootError("INVALID_CMDLINE", "there is no /proc/cmdline", {
          hint: "Mount /proc first.",
        })
      : new UsageError(`--cmdline: there is no file ${given.cmdline}`);
  }
  return { cmdline, config: gatherConfig(host, given.config) };
}

/**
 * @param given a file to read instead of the machine's own
 * @throws BootError, UsageError
 */
export function gatherConfig(
  host: Host,
  given: string | undefined,
): ConfigSource | undefined {
  if (given !== undefined) {
    const text = host.files.readText(given, MAX_TEXT_BYTES);
    if (text === undefined) {
      throw new UsageError(`--config: there is no file ${given}`);
    }
    return { file: given, text };
  }
  for (const file of CONFIG_FILES) {
    const text = host.readText(file, MAX_TEXT_BYTES);
    if (text !== undefined) return { file, text };
  }
  return undefined;
}
