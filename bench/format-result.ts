import { formatTable } from "../installer/text/table.ts";
import type { Result } from "./comparison.ts";
import { tabulate, type Table } from "./tabulate.ts";

/** For a terminal. */
export function formatResult(result: Result): string {
  return tabulate(result).map(formatText).join("\n\n");
}

function formatText({ title, head, rows }: Table): string {
  const indented = [head, ...rows].map(([name = "", ...cells]) => [
    `  ${name}`,
    ...cells,
  ]);
  const rightAligned = [...head.keys()].slice(1);
  return [title, ...formatTable(indented, { rightAligned })].join("\n");
}

/** For a page of the documentation. */
export function formatMarkdown({ title, head, rows }: Table): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const rule = head.map((_, column) => (column === 0 ? "---" : "---:"));
  return [`**${title}**`, "", ...[head, rule, ...rows].map(line)].join("\n");
}
