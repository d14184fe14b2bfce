import { execFileSync } from "node:child_process";
import {
  lastValues,
  parseCmdline,
  type CmdlineOption,
} from "../../runtime/cmdline.ts";

/** What a boot loader makes of an entry, by the rules that it reads by. */
export interface ReadEntry {
  readonly title: string;
  readonly kernel: string;
  readonly initrds: readonly string[];
  readonly options: readonly CmdlineOption[];
  /** What names the filesystem. */
  readonly volume?: string | undefined;
}

/** `key`, and all its values, in order. */
type Lines = readonly (readonly [key: string, ...values: string[]])[];

/**
 * rEFInd: blanks, `=` and `,` separate; in quotes they do not, and a doubled quote is one.
 * @see https://www.rodsbooks.com/refind/configfile.html
 */
export function readRefind(text: string): ReadEntry {
  const lines: Lines = text.split("\n").flatMap((line) => {
    const tokens: string[] = [];
    const token = /\s*(?:"((?:[^"]|"")*)"|([^\s=,"#]+)|#.*|[=,])/y;
    for (let found = token.exec(line); found; found = token.exec(line)) {
      const [, quoted, plain] = found;
      const value = quoted?.replaceAll('""', '"') ?? plain;
      if (value !== undefined) tokens.push(value);
    }
    const [key, ...values] = tokens;
    return key === undefined ? [] : [[key, ...values] as const];
  });
  const [words = ""] = valuesOf(lines, "options");
  const options = parseCmdline(words);
  const inOptions = options.filter(({ key }) => key === "initrd");
  return {
    title: valuesOf(lines, "menuentry")[0] ?? "",
    kernel: valuesOf(lines, "loader")[0] ?? "",
    initrds: [
      ...valuesOf(lines, "initrd"),
      ...inOptions.map(({ value = "" }) => value.replaceAll("\\", "/")),
    ],
    options: options.filter(({ key }) => key !== "initrd"),
    volume: valuesOf(lines, "volume")[0],
  };
}

/**
 * GRUB's script: words as in a shell. Its `linux` puts quotes around a word with a blank, and a
 * backslash before quotes and backslashes.
 */
export function readGrub(text: string): ReadEntry {
  const lines: Lines = text.split("\n").flatMap((line) => {
    const [key, ...values] = splitShell(line);
    return key === undefined || key === "#" ? [] : [[key, ...values] as const];
  });
  const linux = lines.find(([key]) => key === "linux") ?? [];
  const [, kernel = "", ...words] = linux;
  const cmdline = words
    .map((word) => word.replaceAll(/['"\\]/g, "\\$&"))
    .map((word) => (word.includes(" ") ? `"${word}"` : word))
    .join(" ");
  return {
    title: valuesOf(lines, "menuentry")[0] ?? "",
    kernel,
    initrds: (lines.find(([key]) => key === "initrd") ?? []).slice(1),
    options: parseCmdline(cmdline),
    volume: (lines.find(([key]) => key === "search") ?? []).at(-1),
  };
}

function splitShell(line: string): string[] {
  const words = line.match(/(?:'[^']*'|\\.|[^\s'\\])+/g) ?? [];
  return words.map((word) =>
    word.replace(
      /'([^']*)'|\\(.)/g,
      (_, quoted?: string, escaped?: string) => quoted ?? escaped ?? "",
    ),
  );
}

/** Boot loader specification, type 1: a key, blanks, and the rest of the line. */
export function readSystemdBoot(text: string): ReadEntry {
  return readLines(
    text.split("\n").flatMap((line) => {
      const [, key, value] = /^(?!#)(\S+)\s+(.*?)\s*$/.exec(line) ?? [];
      return key === undefined ? [] : [[key, value ?? ""] as const];
    }),
    { kernel: "linux", initrd: "initrd", options: "options" },
  );
}

/** limine.conf: `/title`, then `key: value`. */
export function readLimine(text: string): ReadEntry {
  return readLines(
    text.split("\n").flatMap((line) => {
      const [, title] = /^\/(.*)$/.exec(line) ?? [];
      if (title !== undefined) return [["title", title] as const];
      const [, key, value] = /^\s*(?!#)(\w+): (.*)$/.exec(line) ?? [];
      return key === undefined ? [] : [[key, value ?? ""] as const];
    }),
    { kernel: "path", initrd: "module_path", options: "cmdline" },
  );
}

/** The call of efibootmgr, as a real shell splits it. */
export function readEfistub(text: string): ReadEntry {
  const [, ...words] = execFileSync(
    "sh",
    ["-c", `efibootmgr() { printf '%s\\0' "$@"; }\n${text}`],
    { encoding: "utf8", env: { PATH: "/usr/bin:/bin" } },
  ).split("\0");
  const after = (flag: string) => words[words.indexOf(flag) + 1] ?? "";
  const options = parseCmdline(after("--unicode"));
  return {
    title: after("--label"),
    kernel: after("--loader").replaceAll("\\", "/"),
    initrds: options
      .filter(({ key }) => key === "initrd")
      .map(({ value = "" }) => value.replaceAll("\\", "/")),
    options: options.filter(({ key }) => key !== "initrd"),
    volume: `${after("--disk")} ${after("--part")}`,
  };
}

function readLines(
  lines: Lines,
  keys: Readonly<Record<"kernel" | "initrd" | "options", string>>,
): ReadEntry {
  return {
    title: valuesOf(lines, "title")[0] ?? "",
    kernel: valuesOf(lines, keys.kernel)[0] ?? "",
    initrds: valuesOf(lines, keys.initrd),
    options: parseCmdline(valuesOf(lines, keys.options)[0] ?? ""),
  };
}

function valuesOf(lines: Lines, key: string): string[] {
  return lines.flatMap(([name, value]) =>
    name === key && value !== undefined ? [value] : [],
  );
}

/** Of the options the last of each key. */
export function optionsOf({ options }: ReadEntry): Record<string, unknown> {
  return Object.fromEntries(lastValues(options));
}
