import type { CommandHelp } from "../installer/cli/command-help.ts";

/**
 * The manual page: a template, with the commands and their examples in it.
 * @param template with lines `@COMMANDS@` and `@EXAMPLES@`
 * @see https://mandoc.bsd.lv/man/mdoc.7.html
 */
export function formatManPage(
  template: string,
  commands: ReadonlyMap<string, CommandHelp>,
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
  { summary, usage = "[OPTION...]", flags }: CommandHelp,
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
    `.Ss dockroot ${name} ${escape(usage)}`,
    `${escape(capitalize(summary))}.`,
    ...(options.length === 0 ? [] : [".Bl -tag -width Ds", ...options, ".El"]),
  ];
}

function formatPlaceholder(placeholder: string | undefined): string {
  if (placeholder === undefined) return "";
  const name = placeholder.replaceAll(/[[\]]/g, "");
  return placeholder.startsWith("[") ? ` Op Ar ${name}` : ` Ar ${name}`;
}

function formatExamples(examples: CommandHelp["examples"]): string[] {
  return examples.flatMap(([call, meaning]) => [
    `${escape(capitalize(meaning))}:`,
    `.Dl ${escape(call.replace("$0", "dockroot"))}`,
  ]);
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A text as roff takes it, at a line's beginning, too. */
function escape(text: string): string {
  return text.replaceAll("\\", "\\e").replace(/^(?=[.'])/, "\\&");
}
