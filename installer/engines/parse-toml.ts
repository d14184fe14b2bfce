import { parse } from "smol-toml";
import { isRecord } from "../../runtime/base/json-values.ts";

/** What a TOML file says. */
export interface TomlFile {
  /** Empty where it is not valid. */
  readonly table: unknown;
  /** Why it is not valid. */
  readonly error: string | undefined;
}

/** @see https://toml.io/en/v1.0.0 */
export function parseToml(text: string): TomlFile {
  try {
    return { table: parse(text), error: undefined };
  } catch (error) {
    const [reason] = error instanceof Error ? error.message.split("\n") : [];
    return { table: {}, error: reason ?? "it is not valid TOML" };
  }
}

/** The text at the end of a path of keys; `undefined` where there is none, or an empty one. */
export function textAt(
  table: unknown,
  ...keys: readonly string[]
): string | undefined {
  const value = keys.reduce<unknown>(
    (inner, key) => (isRecord(inner) ? inner[key] : undefined),
    table,
  );
  return typeof value === "string" && value !== "" ? value : undefined;
}
