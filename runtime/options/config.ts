import { BootError } from "../base/errors.ts";

/** A configuration file's content, and its name for messages. */
export interface ConfigSource {
  readonly file: string;
  readonly text: string;
}

/** Options that initramfs itself obeys when it mounts root: the command line alone can set them. */
const CMDLINE_ONLY = new Set(["root", "rootflags", "rootfstype"]);
/** Kernel options that the configuration can give a default. */
export const CONFIGURABLE = new Set([
  "docker_path",
  "store_path",
  "toplayer",
  "toplayerfstype",
  "toplayerflags",
  "toplayer_path",
  "docker_image",
  "docker_tag",
  "dockroot.store",
  "dockroot.rwlayer",
  "dockroot.toplayer",
  "dockroot.generations",
  "dockroot.fallback",
  "dockroot.timeout",
]);

/** These can stand without quotes. */
const NUMBERS = new Set(["dockroot.generations", "dockroot.timeout"]);

/**
 * Reads a configuration: one JSON object of strings.
 * @param warnings gets a line for each key that is not known
 * @throws BootError INVALID_CONFIG
 */
export function parseConfig(
  source: ConfigSource | undefined,
  warnings: string[],
): ReadonlyMap<string, string> {
  const config = new Map<string, string>();
  if (source === undefined) return config;
  const { file, text } = source;
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
    throw invalidConfig(file, `${file} must hold one JSON object`);
  }
  for (const [key, value] of Object.entries(parsed)) {
    if (CMDLINE_ONLY.has(key)) {
      throw invalidConfig(
        file,
        `${file} sets "${key}", which only the kernel command line can: the initramfs mounts root by it`,
      );
    }
    if (!CONFIGURABLE.has(key)) {
      warnings.push(`${file}: "${key}" is not known and has no effect`);
    } else if (
      typeof value === "string" ||
      (NUMBERS.has(key) && typeof value === "number")
    ) {
      const text = String(value);
      if (text.includes("\0")) {
        throw invalidConfig(file, `${file}: "${key}" has a NUL in it`);
      }
      if (text !== "") config.set(key, text);
    } else {
      // A number would lose what was written: 1.10 is 1.1.
      throw invalidConfig(
        file,
        `${file}: "${key}" must be a string, in quotes`,
      );
    }
  }
  return config;
}

function invalidConfig(file: string, message: string): BootError {
  return new BootError("INVALID_CONFIG", message, {
    hint: `Correct ${file} in the image and rebuild the initramfs.`,
  });
}
