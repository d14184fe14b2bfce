import { withoutMark } from "../base/decode-text.ts";
import { BootError, isSystemError } from "../base/errors.ts";
import { isRecord } from "../base/json-values.ts";
import { findOption, isOptionName, type OptionName } from "./table.ts";

/** A configuration file's content, and its name for messages. */
export interface ConfigSource {
  readonly file: string;
  readonly text: string;
  /** The other file, which exists too and does not count. */
  readonly other?: ConfigSource | undefined;
}

/** Where a configuration may be; the first one that sets an option counts. */
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
  const [file, otherFile] = CONFIG_FILES;
  const text = read(file);
  if (text !== undefined && !isEmpty(text)) {
    return { file, text, other: tryToRead(read, otherFile) };
  }
  const other = read(otherFile);
  if (other !== undefined) return { file: otherFile, text: other };
  return text === undefined ? undefined : { file, text };
}

/** Whether it sets nothing: its user writes into the other file. What is not valid sets something. */
function isEmpty(text: string): boolean {
  if (text.trim() === "") return true;
  try {
    const parsed: unknown = JSON.parse(withoutMark(text));
    return (
      isRecord(parsed) && Object.values(parsed).every((value) => value === "")
    );
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/** A file that does not count keeps nothing from booting. */
function tryToRead(
  read: (file: string) => string | undefined,
  file: string,
): ConfigSource | undefined {
  try {
    const text = read(file);
    return text === undefined ? undefined : { file, text };
  } catch (error) {
    if (error instanceof BootError || isSystemError(error)) return undefined;
    throw error;
  }
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
  const { file, text, other } = source;
  const invalid = (what: string) =>
    new BootError("INVALID_CONFIG", `${file}${what}`, {
      hint: `Correct ${file} in the image and rebuild the initramfs.`,
    });
  let parsed: unknown;
  try {
    parsed = JSON.parse(withoutMark(text));
  } catch (cause) {
    throw new BootError("INVALID_CONFIG", `${file} is not valid JSON`, {
      cause,
      hint: `Correct ${file} in the image (a stray or missing comma?) and rebuild the initramfs.`,
    });
  }
  if (!isRecord(parsed)) {
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
  if (other !== undefined) warnings.push(...compare(config, file, other));
  return config;
}

/** @returns a warning where the file that does not count says something else */
function compare(
  config: ReadonlyMap<OptionName, string>,
  file: string,
  other: ConfigSource,
): string[] {
  const hidden = tryToParse(other);
  if (hidden === undefined) {
    return [`${file} counts; ${other.file} is not valid, and has no effect`];
  }
  const differences = [...new Set([...config.keys(), ...hidden.keys()])]
    .map((name) => [name, config.get(name), hidden.get(name)] as const)
    .filter(([, here, there]) => here !== there)
    .map(
      ([name, here = "not set", there = "not set"]) =>
        `${name} (${here}, not ${there})`,
    );
  return differences.length === 0
    ? []
    : [
        `${file} counts, and ${other.file} has no effect; they differ: ${differences.join(", ")}`,
      ];
}

function tryToParse(
  source: ConfigSource,
): ReadonlyMap<OptionName, string> | undefined {
  try {
    return parseConfig(source, []);
  } catch (error) {
    if (error instanceof BootError) return undefined;
    throw error;
  }
}
