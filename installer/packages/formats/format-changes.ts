import { cut } from "../../text/bar-chart.ts";
import { formatTable, plain, type Line } from "../../text/table.ts";
import type { PackageChanges } from "./package-lists.ts";

const MAX_ROWS = 20;

const MAX_CELL_CHARS = 40;

/** What a machine depends on most is shown first. */
const FIRST = /^(?:linux|kernel|systemd|glibc|libc6|musl|mesa|openssh)/;

/** The changes for people: how many, and a table of no more than 20. */
export function formatPackageChanges({
  added,
  removed,
  changed,
}: PackageChanges): Line[] {
  const rows = [
    ...changed.map(({ name, from, to }) => [
      "",
      name,
      `${shown(from)} -> ${shown(to)}`,
    ]),
    ...added.map(({ name, version }) => ["+", name, shown(version)]),
    ...removed.map(({ name, version }) => ["-", name, shown(version)]),
  ];
  if (rows.length === 0) return [plain("No package changes.")];
  const rank = ([, name = ""]: readonly string[]) => (FIRST.test(name) ? 0 : 1);
  const shownRows = rows
    .toSorted((a, b) => rank(a) - rank(b))
    .slice(0, MAX_ROWS)
    .map(([sign = "", name = "", version = ""]) => [
      sign,
      shown(name),
      version,
    ]);
  const left = rows.length - shownRows.length;
  return [
    `${summarize(changed.length, added.length, removed.length)}:`,
    ...formatTable(shownRows).map((line) => `  ${line}`),
    ...(left > 0 ? [`  and ${String(left)} more`] : []),
  ].map(plain);
}

function shown(text: string): string {
  return cut(text, MAX_CELL_CHARS);
}

/** `2 packages change, 1 comes`. */
function summarize(changed: number, added: number, removed: number): string {
  return [
    { count: changed, one: "changes", several: "change" },
    { count: added, one: "comes", several: "come" },
    { count: removed, one: "goes", several: "go" },
  ]
    .filter(({ count }) => count > 0)
    .map(({ count, one, several }, index) => {
      const noun = count === 1 ? " package" : " packages";
      const verb = count === 1 ? one : several;
      return `${String(count)}${index === 0 ? noun : ""} ${verb}`;
    })
    .join(", ");
}
