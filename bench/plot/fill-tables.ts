import { formatMarkdown } from "../format-result.ts";
import { formatMachine } from "../machine-facts.ts";
import type { Results } from "../results.ts";
import { tabulate } from "../tabulate.ts";

/**
 * Puts the tables of what was measured into a page: an entry's between `<!-- bench: ENTRY -->` and
 * `<!-- /bench -->`, the machine's facts likewise. What was not measured stays.
 * @throws Error where an entry was measured and has no place
 */
export function fillTables(page: string, measured: Results): string {
  const { machine, results } = measured;
  const facts = formatMachine(machine).replace("\n", "; ");
  const contents = new Map([["machine", facts]]);
  for (const { entry, ...result } of results) {
    const tables = tabulate(result).map(formatMarkdown);
    const before = contents.get(entry);
    contents.set(
      entry,
      [...(before === undefined ? [] : [before]), ...tables].join("\n\n"),
    );
  }
  let filled = page;
  for (const [name, content] of contents) {
    const begin = `<!-- bench: ${name} -->`;
    const start = filled.indexOf(begin);
    const end = filled.indexOf("<!-- /bench -->", start);
    if (start === -1 || end === -1) {
      throw new Error(
        `the page has no place for ${name}: ${begin} and <!-- /bench -->`,
      );
    }
    filled = `${filled.slice(0, start + begin.length)}\n\n${content}\n\n${filled.slice(end)}`;
  }
  return filled;
}
