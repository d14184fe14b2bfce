import { quoteForFish } from "../../runtime/base/quote.ts";
import {
  firstWords,
  type CompletedCommand,
  type CompletedOption,
  type Value,
} from "./completed-command.ts";

/**
 * A script for fish.
 * @see https://fishshell.com/docs/current/completions.html
 */
export function formatFish(
  commands: readonly CompletedCommand[],
  summaries: ReadonlyMap<string, string>,
): string {
  const first = firstWords(commands);
  const lines = [
    "# fish completion for dockroot, printed by: dockroot completion fish",
    "",
    "complete -c dockroot -f",
    "complete -c dockroot -s h -l help -d 'print help'",
    line("__fish_use_subcommand", "-l version -d 'print the versions'"),
    ...[...summaries].map(([name, summary]) =>
      line("__fish_use_subcommand", `-a ${name} -d ${quoteForFish(summary)}`),
    ),
    line(seen("help"), `-a ${quoteForFish([...first.keys()].join(" "))}`),
    ...[...first].flatMap(([name, group]) => formatGroup(name, group)),
  ];
  return `${lines.join("\n")}\n`;
}

function formatGroup(
  name: string,
  group: readonly CompletedCommand[],
): string[] {
  const below = group.flatMap(({ words: [, word] }) => word ?? []);
  const choosing = `${seen(name)}; and not ${seen(below.join(" "))}`;
  return [
    ...group.flatMap(({ words: [, word], summary }) =>
      word === undefined
        ? []
        : [line(choosing, `-a ${word} -d ${quoteForFish(summary)}`)],
    ),
    ...group.flatMap(({ words, options, operands }) => {
      const chosen = words.map(seen).join("; and ");
      return [
        ...options.map((option) => line(chosen, formatOption(option))),
        ...(operands.kind === "nothing"
          ? []
          : [line(chosen, complete(operands))]),
      ];
    }),
  ];
}

function formatOption({
  name,
  describe,
  value,
  isOptional,
}: CompletedOption): string {
  const about = `-l ${name} -d ${quoteForFish(describe)}`;
  if (value.kind === "nothing") return about;
  return `${about} ${isOptional ? "" : "-r "}${complete(value)}`;
}

function complete(value: Value): string {
  switch (value.kind) {
    case "nothing":
    case "text":
      return "-f";
    case "words":
      return `-f -a ${quoteForFish(value.words.join(" "))}`;
    case "file":
      return "-F";
    case "directory":
      return "-f -a '(__fish_complete_directories)'";
  }
}

function seen(words: string): string {
  return `__fish_seen_subcommand_from ${words}`;
}

function line(condition: string, rest: string): string {
  return `complete -c dockroot -n ${quoteForFish(condition)} ${rest}`;
}
