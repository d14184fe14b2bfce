import type { Terminal } from "../../cli/cli-context.ts";
import { formatPackageChanges } from "../../packages/formats/format-changes.ts";
import { formatSize } from "../../text/human.ts";
import { formatSections, plain, title, type Line } from "../../text/table.ts";
import type { RootDiff } from "../diff-root.ts";
import {
  GROUP_TITLES,
  GROUPS,
  tellChange,
  type Group,
  type ToldChange,
} from "./group-changes.ts";

/** So many of a group are listed where not all are asked for. */
const MAX_LISTED: Readonly<Record<Group, number>> = {
  ...{ identity: 100, configuration: 100 },
  ...{ packages: 10, data: 30, rest: 10 },
};

const SIGNS = { added: "+", deleted: "-", changed: "~" } as const;

export interface DiffView {
  readonly diff: RootDiff;
  /** Absolute; nothing else is shown. All, where it is empty. */
  readonly paths: readonly string[];
  /** What a system writes by itself as well, and each group whole. */
  readonly isAll: boolean;
  /** Whether it is the root that runs. */
  readonly isRunning: boolean;
}

/** What of the changes is asked for. */
export function chooseChanges({
  diff,
  paths,
  isAll,
}: Pick<DiffView, "diff" | "paths" | "isAll">): {
  readonly chosen: readonly ToldChange[];
  readonly noise: readonly ToldChange[];
} {
  const told = diff.changes
    .map(tellChange)
    .filter(
      (change) =>
        paths.length === 0 || paths.some((path) => isAbout(change, path)),
    );
  return {
    chosen: told.filter(({ noise }) => isAll || noise === undefined),
    noise: told.filter(({ noise }) => !isAll && noise !== undefined),
  };
}

/** Whether it is there, below it, or above it, and came or went with what is in it. */
function isAbout({ shown, kind, aspects }: ToldChange, path: string): boolean {
  const isWhole = kind !== "changed" || aspects.includes("type");
  return isAt(shown, path) || (isWhole && isAt(path, shown));
}

function isAt(shown: string, path: string): boolean {
  const directory = path.endsWith("/") ? path : `${path}/`;
  return shown === path || shown.startsWith(directory);
}

/** The changes of a root for people: what would be regretted most first. */
export function formatDiff(view: DiffView, style: Terminal["style"]): string {
  const { diff, isAll } = view;
  const { chosen, noise } = chooseChanges(view);
  const groups = GROUPS.map((group) =>
    formatGroup(
      group,
      chosen.filter((change) => change.group === group),
      isAll,
    ),
  );
  const packages =
    diff.packages === undefined || view.paths.length > 0
      ? []
      : formatPackages(diff.packages);
  return formatSections(
    [
      [title(summarize(view, chosen.length))],
      ...groups,
      packages,
      formatLeftOut(view, noise),
    ],
    style,
  );
}

function summarize({ diff, isRunning }: DiffView, count: number): string {
  const { boot, image, path } = diff.root;
  const of = isRunning
    ? `this root (boot ${String(boot)}, ${image.reference})`
    : `${path} (boot ${String(boot)}, ${image.reference})`;
  if (count === 0)
    return `Nothing has changed in ${of} that anybody would miss.`;
  const changes = count === 1 ? "1 change" : `${String(count)} changes`;
  return isRunning
    ? `${changes} in ${of}. The next boot makes a new root without ${count === 1 ? "it" : "them"}; this one stays as an earlier root.`
    : `${changes} in ${of}, until init had its successor.`;
}

function formatGroup(
  group: Group,
  changes: readonly ToldChange[],
  isAll: boolean,
): Line[] {
  if (changes.length === 0) return [];
  const sorted =
    group === "data" ? changes.toSorted((a, b) => b.bytes - a.bytes) : changes;
  const listed = isAll ? sorted : sorted.slice(0, MAX_LISTED[group]);
  const left = changes.length - listed.length;
  return [
    title(`${GROUP_TITLES[group]} (${String(changes.length)})`),
    ...listed.map((change) => plain(`  ${describeChange(change)}`)),
    ...(left > 0 ? [plain(`  and ${String(left)} more (--all)`)] : []),
  ];
}

function describeChange(change: ToldChange): string {
  const { kind, type, aspects, files, bytes, shown, noise } = change;
  const slash = type === "directory" ? "/" : "";
  const count = files === 1 ? "1 file" : `${String(files)} files`;
  const details = [
    ...(kind === "changed" ? [aspects.join(", ")] : []),
    ...(type === "directory" && kind !== "changed" ? [count] : []),
    ...(type === "directory" || type === "file"
      ? kind === "changed" && type === "directory"
        ? []
        : [formatSize(bytes)]
      : [type]),
    ...(noise === undefined ? [] : [noise]),
  ];
  const sign = SIGNS[kind];
  return `${sign} ${shown}${slash}${details.length === 0 ? "" : `  (${details.join("; ")})`}`;
}

function formatPackages(packages: NonNullable<RootDiff["packages"]>): Line[] {
  const { added, removed, changed } = packages;
  if (added.length + removed.length + changed.length === 0) return [];
  return formatPackageChanges(packages);
}

function formatLeftOut(
  { diff, isRunning }: DiffView,
  noise: readonly ToldChange[],
): Line[] {
  return [
    ...(noise.length === 0
      ? []
      : [
          `${String(noise.length)} more ${noise.length === 1 ? "is" : "are"} what a system writes by itself (--all).`,
        ]),
    ...(diff.hasXattrs
      ? []
      : [
          "ACLs, file capabilities and other extended attributes were not compared: getfattr is not installed (package attr).",
        ]),
    ...(diff.nested.length === 0
      ? []
      : [
          `Not compared, since ${diff.nested.length === 1 ? "it is a subvolume" : "they are subvolumes"} of ${isRunning ? "this" : "that"} root: ${diff.nested.join(", ")}`,
        ]),
  ].map(plain);
}

/** What `dockroot diff --json` prints, version 1. */
export function describeDiff(view: DiffView) {
  const { diff } = view;
  const { chosen, noise } = chooseChanges(view);
  return {
    version: 1 as const,
    root: diff.root,
    changes: chosen.map(
      ({ shown, kind, type, aspects, files, bytes, group, noise: why }) => ({
        ...{ path: shown, kind, type, aspects, files, bytes, group },
        noise: why ?? null,
      }),
    ),
    leftOut: noise.length,
    packages: diff.packages ?? null,
    hasXattrs: diff.hasXattrs,
    nested: diff.nested,
  };
}
