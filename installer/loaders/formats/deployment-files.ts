import type { Tries } from "../../../runtime/records/deployments.ts";
import { encodeRwlayer } from "./deployment-names.ts";

/** One of our files in loader/entries. */
export interface EntryFile {
  readonly n: number;
  readonly tries: Tries | null;
}

/**
 * The name of a deployment's file in loader/entries. systemd-boot counts in it: `+LEFT-DONE`.
 * @see https://uapi-group.org/specifications/specs/boot_loader_specification/#boot-counting
 */
export function nameEntryFile(
  rwlayer: string,
  n: number,
  tries: Tries | null,
): string {
  const counter =
    tries === null ? "" : `+${String(tries.left)}-${String(tries.done)}`;
  return `${stemOf(rwlayer, n)}${counter}.conf`;
}

function stemOf(rwlayer: string, n: number): string {
  return `dockroot_${encodeRwlayer(rwlayer)}-${String(n)}-1`;
}

/** @returns what a name says, where the file is one of the rwlayer's entries */
export function parseEntryFile(
  rwlayer: string,
  name: string,
): EntryFile | undefined {
  const [, number = "", left, done = "0"] =
    /-([1-9]\d{0,8})-1(?:\+(\d{1,9})(?:-(\d{1,9}))?)?\.conf$/.exec(name) ?? [];
  const n = Number(number);
  const stem = stemOf(rwlayer, n);
  if (!name.startsWith(stem) || !/^[+.]/.test(name.slice(stem.length))) {
    return undefined;
  }
  const tries =
    left === undefined ? null : { left: Number(left), done: Number(done) };
  return { n, tries };
}

/**
 * A pattern whose first match among the names, as systemd-boot sorts them, is the file of `next`; and that of
 * `fallback`, once `next` has no try left.
 * @param names of all files in loader/entries
 * @param fallback without it, or where no pattern tells the two from all others: `next` alone matches
 */
export function patternOf(
  rwlayer: string,
  names: readonly string[],
  next: number,
  fallback?: number,
): string {
  const prefix = `dockroot_${encodeRwlayer(rwlayer)}-`;
  const alone = `${stemOf(rwlayer, next)}[.+]*`;
  if (fallback === undefined) return alone;
  const usedUp = (name: string) =>
    parseEntryFile(rwlayer, name)?.n === next
      ? nameEntryFile(rwlayer, next, { left: 0, done: 1 })
      : name;
  const choose = (pattern: string, from: readonly string[]) =>
    chooseEntry(rwlayer, pattern, from)?.n;
  return (
    ["*", ...classesOf(next, fallback)]
      .map((numbers) => `${prefix}${numbers}-1[.+]*`)
      .find(
        (pattern) =>
          choose(pattern, names) === next &&
          choose(pattern, names.map(usedUp)) === fallback,
      ) ?? alone
  );
}

/** Match two numbers, and others that have digits of both. */
function classesOf(one: number, other: number): string[] {
  const [digits, others] = [String(one), String(other)];
  if (digits.length !== others.length) {
    const ends = `${digits.at(-1) ?? ""}${others.at(-1) ?? ""}`;
    return [`[${digits}${others}]*`, `*[${ends}]`];
  }
  const each = [...digits]
    .map((digit, index) =>
      digit === others[index] ? digit : `[${digit}${others[index] ?? ""}]`,
    )
    .join("");
  return [each];
}

/**
 * Which of the files a pattern chooses: systemd-boot sorts those that have no try left to the end, then by
 * their sort keys (`sortKeyOf`), and the highest version, which begins with the deployment's number, to the beginning.
 * @returns `undefined` where none matches, or somebody else's does
 */
export function chooseEntry(
  rwlayer: string,
  pattern: string,
  names: readonly string[],
): EntryFile | undefined {
  const matching = names.filter((name) => matchesPattern(pattern, name));
  const own = matching.flatMap((name) => parseEntryFile(rwlayer, name) ?? []);
  if (own.length < matching.length) return undefined;
  const rank = ({ tries }: EntryFile) =>
    tries?.left === 0 ? 2 : tries === null ? 1 : 0;
  return own.toSorted((a, b) => rank(a) - rank(b) || b.n - a.n)[0];
}

/** What is counted comes before what boots in its place, which may be newer. */
export function sortKeyOf(rwlayer: string, tries: Tries | null): string {
  return tries === null ? `dockroot-${encodeRwlayer(rwlayer)}` : "dockroot";
}

/** Whether a pattern is for entries of dockroot's that are gone: systemd-boot goes on to its next choice. */
export function isGone(pattern: string, names: readonly string[]): boolean {
  return (
    pattern.startsWith("dockroot_") &&
    !names.some((name) => matchesPattern(pattern, name))
  );
}

const DEFAULT_LINE = /^[ \t]*default[ \t]+(.*?)[ \t\r]*$/gm;

/** The pattern in loader.conf of the entry that starts by itself. @see loader.conf(5) */
export function findDefault(conf: string): string | undefined {
  return [...conf.matchAll(DEFAULT_LINE)].at(-1)?.[1];
}

/** The loader.conf with another default; the rest as it is. */
export function putDefault(conf: string, pattern: string): string {
  const line = `default ${pattern}`;
  const last = [...conf.matchAll(DEFAULT_LINE)].at(-1);
  if (last === undefined) return `${conf.replace(/(?<!\n|^)$/, "\n")}${line}\n`;
  const end = last[0].endsWith("\r") ? "\r" : "";
  return (
    conf.slice(0, last.index) +
    line +
    end +
    conf.slice(last.index + last[0].length)
  );
}

/** Whether a name matches a pattern of systemd-boot's, which ignores case. @see glob(7) */
export function matchesPattern(pattern: string, name: string): boolean {
  const source = pattern.replace(
    /\[[^\]]+\]|\*|\?|[^]/g,
    (part) =>
      ({ "*": ".*", "?": "." })[part] ??
      (part.length > 1 ? part : part.replace(/[\\^$.|+()[\]{}]/, "\\$&")),
  );
  return new RegExp(`^${source}$`, "i").test(name);
}
