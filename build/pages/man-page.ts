import type { Command } from "../../installer/cli/table.ts";

/**
 * The manual page: a template, with the commands and their examples in it.
 * @param template with lines `@COMMANDS@` and `@EXAMPLES@`
 * @see https://mandoc.bsd.lv/man/mdoc.7.html
 */
export function formatManPage(
  template: string,
  commands: ReadonlyMap<string, Command>,
): string {
  const sections = {
    "@COMMANDS@": [...commands].flatMap(([name, help]) =>
      formatCommand(name, help),
    ),
    "@EXAMPLES@": [...commands.values()].flatMap(({ examples }) =>
      formatExamples(examples),
    ),
  };
  return Object.entries(sections).reduce(
    (page, [mark, lines]) => page.replace(mark, () => lines.join("\n")),
    template,
  );
}

function formatCommand(
  name: string,
  { summary, operands, flags }: Command,
): string[] {
  const options = Object.entries(flags).flatMap(
    ([flag, { describe, placeholder, alias }]) => [
      `.It ${[flag, alias ?? []]
        .flat()
        .map((word) => `Fl -${word}${formatPlaceholder(placeholder)}`)
        .join(" , ")}`,
      escape(capitalize(describe)),
    ],
  );
  return [
    `.Ss dockroot ${[name, escape(operands?.usage ?? ""), "[OPTION...]"].filter((word) => word !== "").join(" ")}`,
    `${escape(capitalize(summary))}.`,
    ...(options.length === 0 ? [] : [".Bl -tag -width Ds", ...options, ".El"]),
  ];
}

function formatPlaceholder(placeholder: string | undefined): string {
  if (placeholder === undefined) return "";
  const name = placeholder.replaceAll(/[[\]]/g, "");
  return placeholder.startsWith("[") ? ` Op Ar ${name}` : ` Ar ${name}`;
}

function formatExamples(examples: Command["examples"]): string[] {
  return examples.flatMap(([call, meaning]) => [
    `${escape(capitalize(meaning))}:`,
    `.Dl ${escape(call)}`,
  ]);
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A text as roff takes it, at a line's beginning, too. */
function escape(text: string): string {
  return text.replaceAll("\\", "\\e").replace(/^(?=[.'])/, "\\&");
}
