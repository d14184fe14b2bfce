import { lastValues, parseCmdline } from "./cmdline.ts";
import { CONFIGURABLE, parseConfig, type ConfigSource } from "./config.ts";
import { BootError } from "../base/errors.ts";
import { readDiskOptions, type DiskOptions } from "./disk-options.ts";
import { nonEmpty } from "./option-values.ts";
import { readSystemOptions, type SystemOptions } from "./system-options.ts";

/** What the kernel command line and the configuration ask for. */
export interface BootOptions {
  /** The kernel command line itself. */
  readonly cmdline: string;
  readonly disk: DiskOptions;
  /** What looks wrong but need not stop a boot. */
  readonly warnings: readonly string[];
  /**
   * Apart from `disk`, for a former root can stand in where these make no sense.
   * @throws BootError INVALID_OPTION, INVALID_CONFIG or INVALID_REFERENCE
   */
  readonly readSystem: () => SystemOptions & {
    readonly warnings: readonly string[];
  };
}

/**
 * Turns the kernel command line and the configuration into options; a kernel option wins.
 * @param cmdline what /proc/cmdline holds
 * @throws BootError INVALID_OPTION
 */
export function readBootOptions(
  cmdline: string,
  configSource: ConfigSource | undefined,
): BootOptions {
  const kernel = lastValues(parseCmdline(cmdline));
  const config = readConfig(configSource);
  const optionOf =
    (values: ReadonlyMap<string, string>) =>
    (key: string): string | undefined =>
      kernel.has(key) ? nonEmpty(kernel.get(key)) : values.get(key);
  const unknown = [...kernel.keys()].filter(
    (key) => key.startsWith("dockroot.") && !CONFIGURABLE.has(key),
  );
  return {
    cmdline,
    disk: readDiskOptions(kernel, optionOf(config.values)),
    warnings: unknown.map(
      (key) => `the kernel option ${key} is not known and has no effect`,
    ),
    readSystem: () => {
      if (config.error !== undefined) throw config.error;
      const warnings = [...config.warnings];
      const option = optionOf(config.values);
      const system = readSystemOptions(kernel, config.values, option, warnings);
      return { ...system, warnings };
    },
  };
}

/** An invalid configuration counts as empty, and the reason is given. */
function readConfig(source: ConfigSource | undefined): {
  values: ReadonlyMap<string, string>;
  warnings: readonly string[];
  error?: BootError;
} {
  const warnings: string[] = [];
  try {
    return { values: parseConfig(source, warnings), warnings };
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return { values: new Map(), warnings, error };
  }
}
