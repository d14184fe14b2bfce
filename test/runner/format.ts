import type { Failure, NamedTest } from "./tap-results.ts";

export function formatTest(test: NamedTest): string {
  const marks = { passed: "  ok  ", failed: "  FAIL", skipped: "  skip" };
  const head = `${marks[test.outcome]} ${test.name}`;
  if (test.outcome === "skipped") {
    return test.reason === "" ? head : `${head}: ${test.reason}`;
  }
  const lines = [`${head} (${formatDuration(test.durationMs)})`];
  for (const failure of test.failures) lines.push(formatFailure(failure));
  return lines.join("\n");
}

/** All that tap tells of a failed assertion but the excerpt of the source, which stands at `at`. */
function formatFailure({ path, details }: Failure): string {
  const { source: _source, at, stack, ...rest } = details;
  const lines = [path];
  if (isPlace(at)) lines.push(`  at ${at.fileName}:${String(at.lineNumber)}`);
  for (const [key, value] of Object.entries(rest)) {
    const text =
      typeof value === "string" ? value : JSON.stringify(value, undefined, 2);
    lines.push(`  ${key}: ${text.trimEnd().replaceAll("\n", "\n    ")}`);
  }
  if (typeof stack === "string" && stack !== "") {
    lines.push(`  stack: ${stack.trimEnd().replaceAll("\n", "\n    ")}`);
  }
  return lines.join("\n").replace(/^/gm, "       | ");
}

function isPlace(
  at: unknown,
): at is { readonly fileName: string; readonly lineNumber: number } {
  return (
    typeof at === "object" &&
    at !== null &&
    "fileName" in at &&
    "lineNumber" in at
  );
}

export function formatDuration(durationMs: number): string {
  return durationMs < 1000
    ? `${durationMs.toFixed(0)} ms`
    : `${(durationMs / 1000).toFixed(1)} s`;
}
