import { BootError } from "../base/errors.ts";
import { findOption, isOptionName, type OptionName } from "./table.ts";

/** A configuration file's content, and its name for messages. */
export interface ConfigSource {
  readonly file: string;
  readonly text: string;
}

/** Where a configuration may be; the first one that exists counts. */
export const CONFIG_FILES = [
  "/etc/dockroot.json",
  "/etc/docker-btrfs.json",
] as const;

/**
 * The configuration that counts.
 * @param read gives a file's text; `undefined` where the file does not exist
 */
export function findConfig(
  read: (file: string) => string | undefined,
): ConfigSource | undefined {
  for (const file of CONFIG_FILES) {
    const text = read(file);
    if (text !== undefined) return { file, text };
  }
  return undefined;
}

/**
 * Reads a configuration: one JSON object of strings.
 * @param warnings gets a line for each key that is not known
 * @throws BootError INVALID_CONFIG
 */
export function parseConfig(
  source: ConfigSource | undefined,
  warnings: string[],
): ReadonlyMap<OptionName, string> {
  const config = new Map<OptionName, string>();
  if (source === undefined) return config;
  const { file, text } = source;
  const invalid = (what: string) =>
    new BootError("INVALID_CONFIG", `${file}${what}`, {
      hint: `Correct ${file} in the image and rebuild the initramfs.`,
    });
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (cause) {
    throw new BootError("INVALID_CONFIG", `${file} is not valid JSON`, {
      cause,
      hint: `Correct ${file} in the image (a stray or missing comma?) and rebuild the initramfs.`,
    });
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw invalid(" must hold one JSON object");
  }
  for (const [key, value] of Object.entries(parsed)) {
    const option = findOption(key);
    if (option?.kernelOnly === "refused") {
      throw invalid(
        ` sets "${key}", which only the kernel command line can: the initramfs mounts root by it`,
      );
    }
    if (!isOptionName(key) || option?.kernelOnly === "ignored") {
      warnings.push(`${file}: "${key}" is not known and has no effect`);
      continue;
    }
    const isText = typeof value === "string";
    if (!isText && !(option?.isNumber && typeof value === "number")) {
      // A number would lose what was written: 1.10 is 1.1.
      throw invalid(`: "${key}" must be a string, in quotes`);
    }
    const given = String(value);
    if (given.includes("\0")) throw invalid(`: "${key}" has a NUL in it`);
    if (given !== "") config.set(key, given);
  }
  return config;
}
