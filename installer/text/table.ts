import type { Terminal } from "../cli/cli-context.ts";

/** Aligns cells in columns, two spaces apart. A column without text takes no room. */
export function formatTable(
  rows: readonly (readonly string[])[],
  { rightAligned = [] }: { rightAligned?: readonly number[] } = {},
): string[] {
  const lengthOf = (cell: string) => Array.from(cell).length;
  const widths = rows.reduce<number[]>(
    (found, row) =>
      row.map((cell, column) => Math.max(found[column] ?? 0, lengthOf(cell))),
    [],
  );
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const padding = " ".repeat((widths[column] ?? 0) - lengthOf(cell));
        return rightAligned.includes(column) ? padding + cell : cell + padding;
      })
      .filter((_, column) => widths[column] !== 0)
      .join("  ")
      .trimEnd(),
  );
}

/** A line of text, not escaped yet, as a whole in one colour. */
export interface Line {
  readonly text: string;
  readonly format?: Parameters<Terminal["style"]>[0];
}

export const plain = (text: string): Line => ({ text });

export const title = (text: string): Line => ({ text, format: "bold" });

export const alarm = (text: string): Line => ({
  text,
  format: ["bold", "red"],
});
