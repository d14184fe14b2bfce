/** One line of a file of the kind of /etc/passwd. */
export interface ColonLine {
  /** From 1. */
  readonly number: number;
  readonly text: string;
  readonly fields: readonly string[];
}

/** A line that programs may not read as it is meant, and why. */
export interface OddLine {
  readonly number: number;
  readonly why: string;
}

interface ColonFile {
  readonly lines: readonly ColonLine[];
  readonly odd: readonly OddLine[];
}

/**
 * What useradd takes somewhere, digits first (Fedora), capitals, and the dollar sign of Samba's machines
 * included, and no more than that: a number alone would be taken for one.
 */
const NAME = /^(?!\d+$|\.{1,2}$)[A-Za-z0-9_.][A-Za-z0-9_.-]*\$?$/;

/**
 * Parses a file of colon-separated fields, the first of which is a name. Blank lines, comments, and
 * the lines of NIS (`+`, `-`) are left out, as glibc does it.
 * @see https://man7.org/linux/man-pages/man5/passwd.5.html
 */
export function parseColonFile(text: string, fieldCount: number): ColonFile {
  const lines: ColonLine[] = [];
  const odd: OddLine[] = [];
  const seen = new Set<string>();
  for (const [index, line] of text.split("\n").entries()) {
    const number = index + 1;
    if (/^\s*(?:#.*)?$/.test(line) || /^[+-]/.test(line)) continue;
    const fields = line.split(":");
    const [name = ""] = fields;
    if (fields.length !== fieldCount) {
      const is = String(fields.length);
      odd.push({
        number,
        why: `it has ${is} ${is === "1" ? "field" : "fields"} instead of ${String(fieldCount)}`,
      });
      continue;
    }
    if (!NAME.test(name)) {
      odd.push({ number, why: `"${name}" is no name` });
      continue;
    }
    if (line.endsWith("\r")) {
      odd.push({ number, why: "it ends as lines of Windows do" });
      continue;
    }
    if (seen.has(name)) {
      odd.push({ number, why: `${name} has another line above` });
      continue;
    }
    seen.add(name);
    lines.push({ number, text: line, fields });
  }
  return { lines, odd };
}

/** A number as these files have it; `undefined` for anything else. */
export function parseId(text: string): number | undefined {
  if (!/^[0-9]{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  // -1 means "no such" to the kernel.
  return id < 0xffffffff ? id : undefined;
}
