import { OPTIONS, type KernelOption } from "../runtime/options/table.ts";

const BEGIN = "<!-- options: written by make option-table -->";
const END = "<!-- /options -->";

/**
 * Puts the table of kernel options into a page, between its marks.
 * @returns the page, not yet in prettier's format
 * @throws Error where a mark is missing
 */
export function fillOptionTable(page: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin === -1 || end < begin) {
    throw new Error(`the page has no place for the table: ${BEGIN} and ${END}`);
  }
  return `${page.slice(0, begin)}${BEGIN}\n\n${formatTable(OPTIONS)}\n\n${page.slice(end)}`;
}

function formatTable(options: Readonly<Record<string, KernelOption>>): string {
  const rows: string[][] = [
    ["option", "meaning", "default", "file"],
    ["-", "-", "-", "-"],
  ];
  for (const [name, option] of Object.entries(options)) {
    const names = [formatOption(name, option)];
    const last = rows.at(-1);
    if (option.help === "" && last !== undefined) {
      last[0] = [last[0], ...names].join(", ");
      continue;
    }
    const file =
      option.configOnly === true
        ? "only"
        : option.kernelOnly === undefined
          ? "yes"
          : "no";
    rows.push([...names, option.help, formatDefault(option), file]);
  }
  return rows
    .map((cells) => `| ${cells.map(escapeCell).join(" | ")} |`)
    .join("\n");
}

function formatOption(
  name: string,
  { syntax, isFlag, configOnly }: KernelOption,
): string {
  if (configOnly === true) return `\`"${name}": "${syntax}"\``;
  return `\`${name}${isFlag === true ? "" : "="}${syntax}\``;
}

function formatDefault(option: KernelOption): string {
  if (option.missing !== undefined) return "required";
  const { default: value = "", unset = "" } = option;
  return value === "" ? unset : `\`${value}\``;
}

function escapeCell(text: string): string {
  return text.replaceAll("|", "\\|");
}
