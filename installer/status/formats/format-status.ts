import { escapeControl } from "../../../runtime/base/escape.ts";
import { listErrors } from "../../deploy/plan/format-deployments.ts";
import type { Terminal } from "../../cli/cli-context.ts";
import { formatBarChart, cut } from "../../text/bar-chart.ts";
import { formatMs, formatSize } from "../../text/human.ts";
import {
  plain,
  title,
  type Line,
  alarm,
  formatTable,
  formatSections,
} from "../../text/table.ts";
import type { Status, RootOnDisk } from "./status.ts";
import {
  formatFailure,
  type BootFailure,
} from "../../../runtime/base/failure.ts";
import path from "node:path";
import { abbreviateIds } from "../../../runtime/base/shorten.ts";

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
  const alarms = findAlarms(status);
  const sections: Line[][] = [
    ...alarms.map(formatAlarm),
    formatBooted(status).map(plain),
    status.warnings.map((warning): Line => ({
      text: `warning: ${warning}`,
      format: "yellow",
    })),
    section("time per step", formatSteps(status, width - INDENT.length)),
    section(
      "roots on the disk, * marks the one that booted",
      formatRoots(status),
    ),
    section(
      `last failure, ${status.lastFailure?.path ?? ""}`,
      formatLastFailure(status),
    ),
    section("could not be read", formatUnreadable(status)),
    // The same in a line: what is long scrolls away.
    alarms.map(({ reminder }) => alarm(reminder)),
  ];
  return formatSections(sections, style);
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

const MAX_LINES = 12;

const MAX_LINE_CHARACTERS = 400;

/** From here on the log is for who looks for the cause. */
const DETAILS = "Kernel options: ";

/** How the log begins, where it tells more than the status does itself. */
function formatLastFailure({ lastFailure, result, failure }: Status): string[] {
  if (lastFailure === null) return [];
  const lines = lastFailure.text.trimEnd().split("\n");
  // The log has causes that boot.json may lack.
  const isAbove =
    result === "fallback" &&
    failure !== null &&
    lastFailure.text.startsWith(formatFailure(failure));
  if (isAbove) return ["the same as above"];
  const details = lines.findIndex((line) => line.startsWith(DETAILS));
  return lines
    .slice(0, details === -1 ? MAX_LINES : Math.min(details, MAX_LINES))
    .map((line) => cut(escapeControl(line), MAX_LINE_CHARACTERS));
}

const FRAME = "*".repeat(72);

/** What must not be overlooked: another root than the one that was asked for, or one without drivers. */
interface Alarm {
  readonly what: string;
  readonly why: string;
  /** What is known besides. */
  readonly details?: readonly Line[];
  readonly outlook: string;
  readonly reminder: string;
}

const ALARMS: Readonly<Partial<Record<Status["result"], Alarm>>> = {
  fallback: {
    what: "WARNING: THIS IS AN EARLIER ROOT.",
    why: "The root that was asked for could not be made.",
    outlook:
      "The next boot tries again, and keeps this root as a generation when it succeeds.",
    reminder: "WARNING: this is an earlier root; the reason is above.",
  },
  failed: {
    what: "WARNING: DOCKROOT DID NOT BOOT THIS SYSTEM.",
    why: "It could not make a root, and the system was started without it.",
    outlook: "The next boot tries again.",
    reminder:
      "WARNING: dockroot did not boot this system; the reason is above.",
  },
};

function findAlarms(status: Status): Alarm[] {
  const { result, failure, restored, hasModules, kernel } = status;
  const ofResult = ALARMS[result];
  const isRestored = result === "fallback" && restored !== null;
  const bad = status.deployments?.bad ?? null;
  return [
    ...(ofResult === undefined
      ? []
      : [
          {
            ...ofResult,
            details: [
              ...(isRestored ? [alarm(`This one was ${restored}.`)] : []),
              ...(failure === null ? [] : ["", ...linesOf(failure)].map(plain)),
            ],
          },
        ]),
    ...(bad === null
      ? []
      : [
          {
            what: `WARNING: DEPLOYMENT ${String(bad.n)} (${bad.image.reference}) IS BAD.`,
            why: escapeControl(bad.failure ?? "It was given up."),
            details: listErrors(bad.errors).map(plain),
            outlook: `It does not boot by itself any longer. To try it once more: dockroot rollback ${String(bad.n)}.`,
            reminder: `WARNING: deployment ${String(bad.n)} is bad; the reason is above.`,
          },
        ]),
    ...(hasModules === false
      ? [
          {
            what: "WARNING: THE SYSTEM RUNS WITHOUT MOST OF ITS DRIVERS.",
            why: `The root has no modules for the running kernel ${kernel ?? ""}.`,
            outlook:
              "Boot the kernel that is in the image: dockroot upgrade writes its menu entry.",
            reminder: "WARNING: most drivers are missing; the reason is above.",
          },
        ]
      : []),
  ];
}

function formatAlarm({ what, why, details = [], outlook }: Alarm): Line[] {
  return [
    alarm(FRAME),
    alarm(what),
    alarm(why),
    ...details,
    plain(""),
    plain(outlook),
    alarm(FRAME),
  ];
}

/** A newline in it makes no line of its own. */
function linesOf({ code, message, causes, hint }: BootFailure): string[] {
  const text = formatFailure({
    code,
    message: escapeControl(message),
    causes: causes.map(escapeControl),
    hint: hint === undefined ? undefined : escapeControl(hint),
  });
  return text.trimEnd().split("\n");
}

const SIZE_COLUMN = 3;

/** The roots that stand on the disk, one in a line, below what the columns are. */
function formatRoots({ roots, isOverlay }: Status): string[] {
  if (roots === null || roots.length === 0) return [];
  const hasSizes = roots.some(({ size }) => size !== null);
  const size = isOverlay === true ? "written" : "exclusive";
  const header = ["", "boot", "image", hasSizes ? size : "", ""];
  const rows = roots.map((root) =>
    [
      `${root.isRoot ? "*" : " "} ${nameOf(root)}`,
      root.boot === null ? "" : String(root.boot),
      describeContent(root),
      root.size === null ? "" : formatSize(root.size.exclusiveBytes),
      root.state === "incomplete" ? "incomplete" : "",
    ].map(escapeControl),
  );
  return formatTable([header, ...rows], { rightAligned: [SIZE_COLUMN] });
}

function nameOf({ role, path: file }: RootOnDisk): string {
  return role === "rwlayer" ? file : `generation ${path.basename(file)}`;
}

function describeContent({ state, image }: RootOnDisk): string {
  if (state === "foreign") return "not made by dockroot";
  return image === null
    ? "unknown"
    : `${image.reference} (${abbreviateIds(image.id)})`;
}

const RESULTS: Readonly<Record<Status["result"], string>> = {
  fresh: "fresh: a new root, made from the image",
  kept: "kept: the existing root, because the image is the same",
  fallback:
    "FALLBACK: an earlier root was booted, because a new one could not be made",
  generation: "generation: the earlier root that was asked for, unchanged",
  failed: "FAILED: no root was made",
};

/** What booted, a fact in a line. */
function formatBooted(status: Status): string[] {
  const { result, rwlayer, root, dockroot, kernel, totalMs } = status;
  const rows: [string, string | null][] = [["result", RESULTS[result]]];
  if (result !== "failed") {
    rows.push(
      ["image", status.image?.reference ?? "unknown"],
      ["ID", status.image?.id ?? "unknown"],
      ["rwlayer", rwlayer ?? "unknown"],
      [
        "generation",
        result === "generation" ? path.basename(root ?? "") : null,
      ],
      ["made by", describeMaker(status)],
      ["source", status.source],
      ["top layer", describeTopLayer(status)],
      ["deployment", describeDeployment(status)],
      ["boots next", describeNext(status)],
      ["kept", describeDeployments(status)],
      ["layers", describeLayers(status)],
      ["disk", describeDisk(status)],
    );
  }
  rows.push(
    ["dockroot", dockroot],
    ["kernel", kernel],
    ["took", totalMs === null ? null : formatMs(totalMs)],
  );
  return formatTable(
    rows.flatMap(([name, value]) => (value === null ? [] : [[name, value]])),
  );
}

function describeMaker({ boot, result }: Status): string {
  if (boot === null) return "an unknown boot";
  return `boot ${String(boot)}${result === "fresh" ? ", this one" : ""}`;
}

function describeTopLayer({ toplayer, source }: Status): string | null {
  if (toplayer === null) return source === null ? null : "none";
  const { name, files, bytes } = toplayer;
  return `${name}, ${String(files)} ${files === 1 ? "file" : "files"} of ${formatSize(bytes)}`;
}

function describeDeployment({
  deployment,
  deployments,
}: Status): string | null {
  if (deployment === null) return null;
  const tries = deployments?.tries ?? null;
  return tries === null
    ? String(deployment)
    : `${String(deployment)}, not confirmed yet: it may boot ${String(tries.left)} more times`;
}

function describeNext({ deployments }: Status): string | null {
  if (deployments === null) return null;
  const { next } = deployments;
  return next === null
    ? "none of the deployments"
    : `deployment ${String(next.n)}: ${next.image.reference} (${next.kernel})`;
}

function describeDeployments({ deployments }: Status): string | null {
  if (deployments === null) return null;
  const { count, bootFileBytes } = deployments;
  return `${String(count)} ${count === 1 ? "deployment" : "deployments"}, boot files of ${formatSize(bootFileBytes)}`;
}

function describeLayers({ heldLayers }: Status): string | null {
  if (heldLayers === null) return null;
  const { count, bytes } = heldLayers;
  return `${String(count)} held${bytes === null ? "" : `, ${formatSize(bytes)}`}, shared with the engine until it prunes them`;
}

function describeDisk({ device, filesystemUuid }: Status): string | null {
  if (device === null && filesystemUuid === null) return null;
  const uuid = filesystemUuid === null ? [] : [`UUID=${filesystemUuid}`];
  return [...(device === null ? [] : [device]), ...uuid].join(", ");
}
