/** Paths from `/`, where `*` stands for any part of one name. A path fits with all that is below it. */
export interface PathPatterns {
  /** The place of the first that fits in the list; -1 where none does. */
  readonly find: (path: string) => number;
  /** Whether something below the path could fit that the path does not. */
  readonly reachBelow: (path: string) => boolean;
}

export function compilePatterns(patterns: readonly string[]): PathPatterns {
  const whole = patterns.map((pattern) => toRegExp(pattern, "(?:/|$)"));
  const above = new Set(patterns.flatMap(ancestorsOf));
  const reaching = [...above].map((pattern) => toRegExp(pattern, "$"));
  return {
    find: (path) => whole.findIndex((pattern) => pattern.test(path)),
    reachBelow: (path) => reaching.some((pattern) => pattern.test(path)),
  };
}

function ancestorsOf(pattern: string): string[] {
  const names = pattern.split("/").slice(1, -1);
  return names.map((_, index) => `/${names.slice(0, index + 1).join("/")}`);
}

function toRegExp(pattern: string, end: string): RegExp {
  const escaped = pattern
    .replace(/[.+()[\]{}^$|?\\]/g, "\\$&")
    .replaceAll("*", "[^/]*");
  return new RegExp(`^${escaped}${end}`);
}
