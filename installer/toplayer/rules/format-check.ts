import { escapeControl } from "../../../runtime/base/escape.ts";
import { abbreviateIds } from "../../../runtime/base/shorten.ts";
import type { Terminal } from "../../cli/cli-context.ts";
import {
  alarm,
  formatSections,
  formatTable,
  plain,
  title,
  type Line,
} from "../../text/table.ts";
import type { Problem } from "./problem.ts";
import type { CheckReport, ReportedEntry } from "./find-problems.ts";

const MAX_PROBLEMS_OF_A_RULE = 10;

const INDENT = "  ";

/**
 * The report for people; nothing in it can write on the terminal by itself.
 * @param all whether every entry and every problem has a line of its own
 */
export function formatCheck(
  report: CheckReport,
  all: boolean,
  { style }: Pick<Terminal, "style">,
): string {
  const { image, layers, entries, problems } = report;
  const sorted = sortEntries(entries);
  const lines = all
    ? sorted.map((entry) => ({ entry, count: 1, isGroup: false }))
    : foldEntries(sorted);
  const sections: Line[][] = [
    [
      plain(`image      ${image.reference} (${abbreviateIds(image.id)})`),
      ...layers.map((layer) => plain(`top layer  ${layer}`)),
    ],
    ...layers.map((layer, number) => [
      title(
        layers.length === 1
          ? "what it does to the image:"
          : `what ${layer} does:`,
      ),
      ...formatEntries(lines.filter(({ entry }) => entry.layer === number)),
    ]),
    formatProblems(report, all),
    [summarize(problems)],
  ];
  return formatSections(sections, style);
}

/** A directory before what is in it, and that before its neighbours. */
function sortEntries(entries: readonly ReportedEntry[]): ReportedEntry[] {
  return entries
    .map((entry) => ({ entry, key: entry.path.replaceAll("/", "\0") }))
    .sort((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key)))
    .map(({ entry }) => entry);
}

function formatEntries(lines: readonly FoldedEntry[]): Line[] {
  if (lines.length === 0) return [plain(`${INDENT}nothing: it is empty`)];
  return formatTable(
    lines.map(({ entry, count, isGroup }) =>
      [
        entry.effect,
        isGroup ? `${parentOf(entry.path)}/*` : shownPath(entry),
        describeEntry(entry, count, isGroup),
      ].map(escapeControl),
    ),
  ).map((line) => plain(INDENT + line));
}

function shownPath({ kind, path, effect, target }: ReportedEntry): string {
  if (effect === "delete") return target;
  if (effect === "empty") return `${target}/`;
  return kind === "directory" ? `${path}/` : path;
}

function describeEntry(
  entry: ReportedEntry,
  count: number,
  isGroup: boolean,
): string {
  const { kind, path, effect, target, through, replaced } = entry;
  if (isGroup)
    return joinNotes(`${formatCount(count)} ${kind}s`, leadsTo(entry));
  if (effect === "delete") {
    return joinNotes(replaced ?? "nothing is there", `by ${path}`);
  }
  if (effect === "empty") return `by ${path}`;
  if (effect === "skip") return kind;
  const all =
    count > 1
      ? `with all in it: ${countOf(count - 1, "entry", "entries")}`
      : "";
  const instead =
    replaced !== null && replaced !== kind ? `in place of a ${replaced}` : "";
  const at =
    through === null && path !== target ? `at ${target}` : leadsTo(entry);
  return joinNotes(
    kind === "directory" || kind === "file" ? "" : kind,
    instead,
    at,
    all,
  );
}

function leadsTo({ through, target, path }: ReportedEntry): string {
  if (through === null || path === target) return "";
  return `-> ${target}, through the link ${through}`;
}

function joinNotes(...notes: readonly string[]): string {
  return notes.filter((note) => note !== "").join(", ");
}

function formatProblems(
  { problems, layers }: CheckReport,
  all: boolean,
): Line[] {
  const groups = [...Map.groupBy(problems, ({ rule }) => rule)];
  const max = all ? Infinity : MAX_PROBLEMS_OF_A_RULE;
  const shown = new Set(groups.flatMap(([, group]) => group.slice(0, max)));
  const lines = problems
    .filter((problem) => shown.has(problem))
    .flatMap((problem): Line[] => [
      {
        text: `${problem.level}: ${problem.message}${whose(problem, layers)}`,
        format: problem.level === "error" ? ["bold", "red"] : "yellow",
      },
      plain(`${INDENT}what to do: ${problem.remedy}`),
    ]);
  const rest = groups
    .filter(([, group]) => group.length > max)
    .map(([rule, group]) =>
      plain(
        `${formatCount(group.length - max)} more of ${rule}: --all lists them`,
      ),
    );
  return [...lines, ...rest];
}

function whose({ layer }: Problem, layers: readonly string[]): string {
  const name = layer === null ? undefined : layers[layer];
  return name === undefined || layers.length === 1 ? "" : ` (in ${name})`;
}

function summarize(problems: readonly Problem[]): Line {
  const errors = problems.filter(({ level }) => level === "error").length;
  const warnings = problems.length - errors;
  if (problems.length === 0) return plain("nothing is wrong with it");
  const text = `${countOf(errors, "error")}, ${countOf(warnings, "warning")}`;
  return errors > 0 ? alarm(text) : plain(text);
}

function countOf(count: number, word: string, words = `${word}s`): string {
  return `${formatCount(count)} ${count === 1 ? word : words}`;
}

function formatCount(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/** One line of the list: an entry, or several of the same fate. */
interface FoldedEntry {
  readonly entry: ReportedEntry;
  /** How many entries of the directory it stands for, itself included. */
  readonly count: number;
  /** It stands for files of `entry`'s directory, which have nothing in common but that. */
  readonly isGroup: boolean;
}

/** So many files of a directory that share their fate are told one by one. */
const MAX_SIBLINGS = 10;

/**
 * Makes a list that people can read of one that may have thousands of entries: a directory that is new
 * stands for all that is in it, and many files of one directory that share their fate become one line.
 */
export function foldEntries(entries: readonly ReportedEntry[]): FoldedEntry[] {
  return foldSiblings(foldNew(entries));
}

/** @param entries a directory before what is in it */
function foldNew(entries: readonly ReportedEntry[]): FoldedEntry[] {
  const folded: { entry: ReportedEntry; count: number; isGroup: boolean }[] =
    [];
  const heads = new Map<string, { count: number }>();
  for (const entry of entries) {
    const parent = `${String(entry.layer)}:${parentOf(entry.path)}`;
    const own = `${String(entry.layer)}:${entry.path}`;
    const head = heads.get(parent);
    if (head !== undefined && entry.effect === "add") {
      head.count += 1;
      if (entry.kind === "directory") heads.set(own, head);
      continue;
    }
    const line = { entry, count: 1, isGroup: false };
    folded.push(line);
    const isNew = entry.effect === "add" || entry.effect === "replace";
    if (isNew && entry.kind === "directory") heads.set(own, line);
  }
  return folded;
}

function foldSiblings(lines: readonly FoldedEntry[]): FoldedEntry[] {
  const groups = Map.groupBy(lines, siblingKey);
  return lines.flatMap((line) => {
    const group = groups.get(siblingKey(line)) ?? [line];
    if (group.length <= MAX_SIBLINGS) return [line];
    return line === group[0]
      ? [{ entry: line.entry, count: group.length, isGroup: true }]
      : [];
  });
}

/** The same for files of one directory that share their fate. */
function siblingKey({ entry }: FoldedEntry): string {
  const { layer, path, kind, effect, through } = entry;
  return kind === "directory" || effect === "skip"
    ? `one ${String(layer)} ${path}`
    : [layer, parentOf(path), kind, effect, through].join("\0");
}

function parentOf(file: string): string {
  return file.slice(0, file.lastIndexOf("/"));
}
