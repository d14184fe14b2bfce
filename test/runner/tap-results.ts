import { Parser, type Result } from "tap-parser";

/** An assertion that failed, somewhere within a test. */
export interface Failure {
  readonly path: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** A test with a name: a `t.test(...)` at the top of a file, or what failed outside of one. */
export interface NamedTest {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
  /** Why it was skipped. */
  readonly reason: string;
  readonly durationMs: number;
  readonly failures: readonly Failure[];
}

export interface TapEvents {
  test(test: NamedTest): void;
  comment(text: string): void;
  /** What is not TAP. */
  output(text: string): void;
}

/** Reads the TAP of one test file as it comes. */
export function readTap(events: TapEvents): Parser {
  let failures: Failure[] = [];
  const listen = (parser: Parser, path: readonly string[]) => {
    parser.on("child", (child: Parser) => {
      listen(child, [...path, child.name]);
    });
    parser.on("assert", (result: Result) => {
      // The closing point of a subtest repeats what failed within.
      const isEcho = result.closingTestPoint && failures.length > 0;
      if (hasFailed(result) && !isEcho) {
        failures.push({
          path: [...path, result.name].join(" > "),
          details: (result.diag ?? {}) as Record<string, unknown>,
        });
      }
    });
    parser.on("comment", (line: string) => {
      const text = line.replace(/^\s*#\s?/, "").trimEnd();
      if (!/^(?:Subtest: |time=|\{ total: )/.test(text)) events.comment(text);
    });
    parser.on("extra", (text: string) => {
      events.output(text);
    });
  };
  const parser = new Parser();
  const seen = new Set<string>();
  listen(parser, []);
  parser.on("assert", (result: Result) => {
    // tap tells of a test that timed out a second time when the file ends.
    const isRepeated = !result.closingTestPoint && seen.has(result.fullname);
    // A bare assertion at the top of a file counts only where it fails: it is no test.
    const isBare = !result.closingTestPoint && result.ok && !isSkipped(result);
    if (!isRepeated && !isBare) events.test(toNamedTest(result, failures));
    seen.add(result.fullname);
    failures = [];
  });
  return parser;
}

function hasFailed(result: Result): boolean {
  return !result.ok && !isSkipped(result);
}

/** Or still to be done, in tap's words. */
function isSkipped({ skip, todo }: Result): boolean {
  return skip !== false || todo !== false;
}

function toNamedTest(result: Result, failures: readonly Failure[]): NamedTest {
  const { name, skip, todo } = result;
  const reason = [skip, todo].find((value) => typeof value === "string");
  return {
    name,
    outcome: isSkipped(result) ? "skipped" : result.ok ? "passed" : "failed",
    reason: typeof reason === "string" ? reason : "",
    durationMs: result.time ?? 0,
    failures,
  };
}
