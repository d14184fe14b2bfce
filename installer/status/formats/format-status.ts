import { escapeControl, formatJson } from "../../../runtime/base/escape.ts";
import type { Terminal } from "../../cli/surroundings.ts";
import { formatAlarm, formatReminder } from "./format-alarm.ts";
import { formatBarChart } from "../../text/bar-chart.ts";
import { formatBooted } from "./format-booted.ts";
import { formatLastFailure } from "./format-last-failure.ts";
import { formatRoots } from "./format-roots.ts";
import { formatMs } from "../../text/human.ts";
import { plain, title, type Line } from "../../text/line.ts";
import type { Status } from "./status.ts";

const DEFAULT_COLUMNS = 80;
const MIN_COLUMNS = 40;
const BAR_WIDTH = 12;
const INDENT = "  ";

/** The status for people; nothing in it can write on the terminal by itself. */
export function formatStatus(
  status: Status,
  { columns = DEFAULT_COLUMNS, style }: Terminal,
): string {
  const width = Math.max(columns, MIN_COLUMNS);
  const sections: Line[][] = [
    formatAlarm(status),
    formatBooted(status).map(plain),
    status.warnings.map((warning): Line => ({
      text: `warning: ${warning}`,
      format: "yellow",
    })),
    section("time per step", formatSteps(status, width - INDENT.length)),
    section(
      "roots on the disk, * is the one that booted",
      formatRoots(status.roots ?? []),
    ),
    section(
      `last failure, ${status.lastFailure?.path ?? ""}`,
      formatLastFailure(status),
    ),
    section("could not be read", formatUnreadable(status)),
    formatReminder(status),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.map((line) => `${paint(line, style)}\n`).join(""))
    .join("\n");
}

/** The status for programs: `Status` as it is. */
export function formatStatusAsJson(status: Status): string {
  return `${formatJson(status)}\n`;
}

function paint({ text, format }: Line, style: Terminal["style"]): string {
  const escaped = escapeControl(text);
  return format === undefined ? escaped : style(format, escaped);
}

function section(heading: string, lines: readonly string[]): Line[] {
  return lines.length === 0
    ? []
    : [title(`${heading}:`), ...lines.map((line) => plain(INDENT + line))];
}

function formatSteps({ steps }: Status, columns: number): string[] {
  const bars = steps.map(({ step, durationMs }) => ({
    label: escapeControl(step),
    amount: durationMs,
    shown: formatMs(durationMs),
  }));
  return formatBarChart(bars, { columns, barWidth: BAR_WIDTH });
}

function formatUnreadable({ unreadable }: Status): string[] {
  return unreadable.flatMap(({ what, why, hint }) => [
    `${what}: ${why}`,
    ...(hint === null ? [] : [`${INDENT}what to do: ${hint}`]),
  ]);
}
