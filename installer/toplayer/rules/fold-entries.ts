import type { ReportedEntry } from "./check-report.ts";

/** One line of the list: an entry, or several of the same fate. */
export interface FoldedEntry {
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
  const groups = new Map<string, FoldedEntry[]>();
  for (const line of lines) {
    const key = siblingKey(line);
    const group = groups.get(key) ?? [];
    group.push(line);
    groups.set(key, group);
  }
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

export function parentOf(file: string): string {
  return file.slice(0, file.lastIndexOf("/"));
}
