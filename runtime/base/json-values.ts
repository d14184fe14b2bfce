import { BootError } from "./errors.ts";

/** @throws BootError FILE_UNREADABLE where the text is no JSON object */
export function parseJsonObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw unreadable("it is not valid JSON (truncated?)", cause);
  }
  if (isRecord(value)) return value;
  throw unreadable("it is not a JSON object");
}

/** @param what is wrong with a file, to follow its name */
export function unreadable(what: string, cause?: unknown): BootError {
  return new BootError("FILE_UNREADABLE", what, { cause });
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** Whether it is an object of JSON. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
