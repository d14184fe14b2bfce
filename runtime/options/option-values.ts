import { BootError } from "../base/errors.ts";

/** The parts of a path, without empty ones and dots. */
export function splitPath(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

/** The parts of a comma-separated list. */
export function splitFlags(flags: string): string[] {
  return flags.split(",").filter((flag) => flag !== "");
}

/**
 * A path relative to a filesystem's top level, without slashes at its ends.
 * @param option what stands before the value in messages
 * @throws BootError INVALID_OPTION for what is no UTF-8, for control characters, and for `..`
 */
export function parsePath(option: string, value: string): string {
  const parts = splitPath(value);
  if (value.includes("\uFFFD")) {
    throw invalidOption(
      `${option}${value} is not valid UTF-8`,
      "Write the path in UTF-8, or rename it.",
    );
  }
  // eslint-disable-next-line no-control-regex -- control characters are the point
  if (/[\u0000-\u001f\u007f]/.test(value)) {
    throw invalidOption(
      `${option}${value} has a control character in it`,
      "Rename what it names.",
    );
  }
  if (parts.includes("..")) {
    throw invalidOption(
      `${option}${value} has ".." in it`,
      "Write the path from the filesystem's top level, without dots.",
    );
  }
  return parts.join("/");
}

/** An option that cannot be used. */
export function invalidOption(message: string, hint: string): BootError {
  return new BootError("INVALID_OPTION", message, { hint });
}
