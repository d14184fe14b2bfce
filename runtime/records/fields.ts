import { isCount, isRecord } from "../base/json-values.ts";

/** Parses a value of JSON; `undefined` where it is not of that kind. */
export type Parser<T> = (value: unknown) => T | undefined;

export type Parsers<T> = { readonly [Name in keyof T]-?: Parser<T[Name]> };

export const parseString: Parser<string> = (value) =>
  typeof value === "string" ? value : undefined;

export const parseBoolean: Parser<boolean> = (value) =>
  typeof value === "boolean" ? value : undefined;

export const parseCount: Parser<number> = (value) =>
  isCount(value) ? value : undefined;

export function oneOf<T>(known: readonly T[]): Parser<T> {
  return (value) => known.find((each) => each === value);
}

export function orNull<T>(parse: Parser<T>): Parser<T | null> {
  return (value) => (value === null ? null : parse(value));
}

export function listOf<T>(parse: Parser<T>): Parser<T[]> {
  return (value) => {
    if (!Array.isArray(value)) return undefined;
    const entries = value.map(parse).filter((entry) => entry !== undefined);
    return entries.length === value.length ? entries : undefined;
  };
}

/**
 * An object with these fields; others that it has are left out.
 * @param optional fields that may be absent
 */
export function objectOf<T extends object, Optional extends object = object>(
  required: Parsers<T>,
  optional?: Parsers<Optional>,
): Parser<T & Partial<Optional>> {
  const parsers = Object.entries<Parser<unknown>>({ ...required, ...optional });
  return (value) => {
    if (!isRecord(value)) return undefined;
    const fields = parsers
      .map(([name, parse]) => [name, value[name], parse(value[name])] as const)
      .filter(([name, given]) => given !== undefined || name in required);
    return fields.every(([, , parsed]) => parsed !== undefined)
      ? (Object.fromEntries(
          fields.map(([name, , parsed]) => [name, parsed]),
        ) as T & Partial<Optional>)
      : undefined;
  };
}
