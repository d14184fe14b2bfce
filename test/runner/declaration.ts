/** What a test file tells the runner, in a line of its own: `// runner: tier=first seconds=20`. */
export interface Declaration {
  /** `first`: part of `make test`. `all`: of `make test-all` alone. */
  readonly tier: Tier;
  /** About how long it takes on two cores: the longest begin first. */
  readonly seconds: number;
  /** The same in `make test-all`, where the file does more there. */
  readonly wholeSeconds: number;
  /** Whether `make test` runs a part of it alone: it declares other seconds for the whole. */
  readonly hasSample: boolean;
  /** How many of the runner's slots it takes: 2 where it keeps both cores busy. */
  readonly weight: number;
  /** What must have been built before (prepare.ts). */
  readonly needs: readonly string[];
  /** What no other file that names it may use at the same time. */
  readonly alone: readonly string[];
}

export type Tier = "first" | "all";

const LINE = /^\/\/ runner: *(.*)$/m;

/**
 * Reads the declaration in a test file's text.
 * @param usual what holds where the file says nothing; without it each file must declare its tier
 * @throws Error where the declaration is missing, or has what no declaration has
 */
export function parseDeclaration(
  text: string,
  usual?: Declaration,
): Declaration {
  const [, line] = LINE.exec(text) ?? [];
  if (line === undefined) {
    if (usual !== undefined) return usual;
    throw new Error(
      'has no line like "// runner: tier=first seconds=20" (see CONTRIBUTING.md)',
    );
  }
  const values = new Map<string, string>();
  for (const word of line.trim().split(/ +/)) {
    const [, key = "", value = ""] = /^([a-z]+)=([\w,-]+)$/.exec(word) ?? [];
    if (!KEYS.includes(key) || values.has(key)) {
      throw new Error(`"${word}" is not valid in "// runner: ${line}"`);
    }
    values.set(key, value);
  }
  const tier = values.get("tier");
  if (tier !== "first" && tier !== "all") {
    throw new Error(`"// runner: ${line}" has neither tier=first nor tier=all`);
  }
  const seconds = parseNumber("seconds", values.get("seconds") ?? "1");
  return {
    tier,
    seconds,
    wholeSeconds: parseNumber("whole", values.get("whole") ?? String(seconds)),
    hasSample: values.has("whole"),
    weight: parseNumber("weight", values.get("weight") ?? "1"),
    needs: values.get("needs")?.split(",") ?? [],
    alone: values.get("alone")?.split(",") ?? [],
  };
}

const KEYS = ["tier", "seconds", "whole", "weight", "needs", "alone"];

function parseNumber(key: string, value: string): number {
  if (!/^[1-9]\d{0,4}$/.test(value)) {
    throw new Error(`${key}=${value} is not a whole number of 1 or more`);
  }
  return Number(value);
}
