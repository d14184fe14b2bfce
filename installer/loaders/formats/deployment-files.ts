import { encodeRwlayer } from "./deployment-names.ts";

/**
 * The name of a deployment's file in loader/entries, without what may stand before its end: `+LEFT`
 * or `+LEFT-DONE`, by which boots are counted.
 * @see https://uapi-group.org/specifications/specs/boot_loader_specification/#boot-counting
 */
export function nameEntryFile(rwlayer: string, n: number): string {
  return `dockroot_${encodeRwlayer(rwlayer)}-${String(n)}-1`;
}

/** @returns the deployment's number, where the file is one of the rwlayer's entries */
export function parseEntryFile(
  rwlayer: string,
  name: string,
): number | undefined {
  const [, n] = /-([1-9]\d{0,8})-1(?:\+\d+(?:-\d+)?)?\.conf$/.exec(name) ?? [];
  if (n === undefined) return undefined;
  const rest = name.slice(nameEntryFile(rwlayer, Number(n)).length);
  return name.startsWith(nameEntryFile(rwlayer, Number(n))) &&
    /^(?:\+[\d-]+)?\.conf$/.test(rest)
    ? Number(n)
    : undefined;
}

/** A pattern that the file's name matches, counted or not. */
export function patternOf(rwlayer: string, n: number): string {
  return `${nameEntryFile(rwlayer, n)}[.+]*`;
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
