import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Result } from "./comparison.ts";
import type { MachineFacts } from "./machine-facts.ts";

/** What results.json holds. */
export interface Results {
  /** Its version. */
  readonly dockroot: string;
  readonly machine: MachineFacts;
  readonly results: readonly EntryResult[];
}

export interface EntryResult extends Result {
  /** The entry's name. */
  readonly entry: string;
}

export const RESULTS_FILE = join(
  import.meta.dirname,
  "../.cache/bench/results.json",
);

/** @throws Error where nothing was measured yet */
export async function readResults(): Promise<Results> {
  return JSON.parse(await readFile(RESULTS_FILE, "utf8")) as Results;
}

/** Keeps what an entry has measured, and what the others have before. */
export async function keepResults(
  measured: Results,
  entry: string,
): Promise<void> {
  let former: readonly EntryResult[] = [];
  try {
    former = (await readResults()).results;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const others = former.filter((result) => result.entry !== entry);
  const results = [...others, ...measured.results];
  await writeFile(
    RESULTS_FILE,
    `${JSON.stringify({ ...measured, results }, null, 2)}\n`,
  );
}
