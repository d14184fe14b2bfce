import { readFile } from "node:fs/promises";
import { runInGroup } from "./run-in-group.ts";

/**
 * The most that a program, or the largest of its helpers, had in memory.
 * @param file gets what GNU time says
 */
export async function measurePeakBytes(
  file: string,
  argv: readonly [string, ...string[]],
): Promise<number> {
  await runInGroup([
    ...(["/usr/bin/time", "--format=%M", "--output", file] as const),
    ...argv,
  ]);
  const kibibytes = Number(await readFile(file, "utf8"));
  return kibibytes * 1024;
}
