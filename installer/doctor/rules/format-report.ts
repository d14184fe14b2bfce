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
  const count = (wanted: Severity) =>
    findings.filter(({ severity }) => severity === wanted).length;
  const [stopping, warnings] = [count("stops"), count("warning")];
  const words = [
    stopping === 0
      ? "no problem was found that would stop a boot"
      : `${String(stopping)} ${stopping === 1 ? "problem" : "problems"} would stop a boot`,
    ...(warnings === 0
      ? []
      : [`${String(warnings)} ${warnings === 1 ? "warning" : "warnings"}`]),
  ];
  return stopping === 0
    ? plain(words.join(", "))
    : { text: words.join(", "), format: ["bold", "red"] };
}
