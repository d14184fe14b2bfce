import { BootError } from "../base/errors.ts";

/** An option's value; `undefined` where it is not given or empty. */
export type OptionReader = (key: string) => string | undefined;

export function nonEmpty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}

/** The parts of a path, without empty ones and dots. */
export function splitPath(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

/** The parts of a comma-separated list. */
export function splitFlags(flags: string): string[] {
  return flags.split(",").filter((flag) => flag !== "");
}

/** @throws BootError INVALID_OPTION for what is no UTF-8, for control characters, and for `..` */
export function refuseOddPath(
  option: string,
  value: string,
  parts: readonly string[],
): void {
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
}

/** One of a few words. @throws BootError INVALID_OPTION */
export function readChoice<T extends string>(
  option: string,
  value: string | undefined,
  [preset, ...others]: readonly [T, ...T[]],
): T {
  if (value === undefined) return preset;
  const choice = [preset, ...others].find((word) => word === value);
  if (choice !== undefined) return choice;
  throw invalidOption(
    `${option}=${value} is neither ${[preset, ...others].join(" nor ")}`,
    `Write ${option}=${others.join(` or ${option}=`)}, or leave it out: ${preset} is the default.`,
  );
}

/** A number of seconds, as milliseconds. @throws BootError INVALID_OPTION */
export function readSecondsAsMs(option: string, value: string): number {
  if (!/^[0-9]{1,6}$/.test(value)) {
    throw invalidOption(
      `${option}=${value} is no number of seconds`,
      `Write for example ${option}=30.`,
    );
  }
  return Number(value) * 1000;
}

/** An option that cannot be used. */
export function invalidOption(message: string, hint: string): BootError {
  return new BootError("INVALID_OPTION", message, { hint });
}
