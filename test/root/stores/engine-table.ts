import type { Test } from "tap";

/** How many references to an engine's images were compared with what it says. */
export interface TableRow {
  /** Its package and version. */
  readonly engine: readonly [name: string, version: string];
  readonly store: string;
  readonly references: number;
  readonly wrong: number;
}

/** Prints the rows, in their own order. */
export function printTable(
  t: Pick<Test, "comment">,
  rows: readonly TableRow[],
): void {
  t.comment(formatRow("engine", "version", "store", "references", "wrong"));
  for (const { engine, store, references, wrong } of rows) {
    t.comment(formatRow(...engine, store, String(references), String(wrong)));
  }
}

function formatRow(
  name: string,
  version: string,
  store: string,
  references: string,
  wrong: string,
): string {
  return [
    ...[name.padEnd(10), version.padEnd(9), store.padEnd(25)],
    ...[references.padStart(10), wrong.padStart(6)],
  ].join(" ");
}
