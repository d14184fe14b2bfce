import { escapeControl } from "../../../runtime/base/escape.ts";
import { abbreviateIds } from "../../../runtime/base/shorten.ts";
import type { Terminal } from "../../cli/cli-context.ts";
import {
  plain,
  type Line,
  formatTable,
  formatSections,
} from "../../text/table.ts";
import type { Finding, Severity } from "./finding.ts";
import type { DoctorReport } from "./report.ts";

const INDENT = "  ";

const LABELS: Readonly<
  Record<Severity, { text: string; format: Line["format"] }>
> = {
  stops: { text: "would stop a boot", format: ["bold", "red"] },
  "falls-back": { text: "would boot an earlier root", format: "red" },
  warning: { text: "warning", format: "yellow" },
  unknown: { text: "not known", format: undefined },
  ok: { text: "ok", format: "green" },
};

/** The report for people; nothing in it can write on the terminal by itself. */
export function formatReport(
  { findings }: DoctorReport,
  { style }: Pick<Terminal, "style">,
): string {
  const good = findings.filter(({ severity }) => severity === "ok");
  const bad = findings.filter(({ severity }) => severity !== "ok");
  const sections: Line[][] = [
    bad.flatMap(formatBad),
    formatTable(
      good.map(({ subject, message }) =>
        ["ok", subject, abbreviateIds(message)].map(escapeControl),
      ),
    ).map(plain),
    [summarize(findings)],
  ];
  return formatSections(sections, style);
}

function formatBad({ severity, subject, message, remedy }: Finding): Line[] {
  const { text, format } = LABELS[severity];
  return [
    {
      text: `${text}: ${subject}: ${abbreviateIds(message)}`,
      ...(format !== undefined && { format }),
    },
    ...(remedy === null ? [] : [plain(`${INDENT}what to do: ${remedy}`)]),
  ];
}

function summarize(findings: readonly Finding[]): Line {
  const count = (wanted: Severity, one: string, many: string) => {
    const found = findings.filter(({ severity }) => severity === wanted).length;
    return found === 0 ? [] : [`${String(found)} ${found === 1 ? one : many}`];
  };
  const problems = [
    ...count(
      "stops",
      "problem would stop a boot",
      "problems would stop a boot",
    ),
    ...count(
      "falls-back",
      "problem would boot an earlier root",
      "problems would boot an earlier root",
    ),
  ];
  const warnings = count("warning", "warning", "warnings");
  return problems.length === 0
    ? plain(
        ["no problem was found that would stop a boot", ...warnings].join(", "),
      )
    : {
        text: [...problems, ...warnings].join(", "),
        format: ["bold", "red"],
      };
}
