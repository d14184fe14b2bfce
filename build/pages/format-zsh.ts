import { quoteForShell } from "../../runtime/base/quote.ts";
import {
  firstWords,
  type CompletedCommand,
  type CompletedOption,
  type Value,
} from "./completed-command.ts";

/**
 * A function for zsh, as a file of its own in fpath or evaluated.
 * @see https://zsh.sourceforge.io/Doc/Release/Completion-System.html (_arguments, _describe)
 */
export function formatZsh(
  commands: readonly CompletedCommand[],
  summaries: ReadonlyMap<string, string>,
): string {
  const first = firstWords(commands);
  const arms = [...first].map(([name, group]) =>
    isNested(group) ? armOfGroup(name, group) : armOf(name, group[0], "    "),
  );
  return `#compdef dockroot
# zsh completion for dockroot, printed by: dockroot completion zsh

_dockroot() {
  local curcontext=$curcontext state
  local -a line commands
  _arguments -C ${HELP} '--version[print the versions]' '1: :->command' '*:: :->arguments'
  if [[ $state == command ]]; then
    commands=(${[...summaries].map(([name, summary]) => describe(name, summary)).join(" ")})
    _describe -t commands 'command' commands
    return
  fi
  [[ $state == arguments ]] || return
  case $line[1] in
    help) commands=(${[...first.keys()].join(" ")}); _describe -t commands 'command' commands ;;
${arms.join("\n")}
  esac
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _dockroot "$@"
else
  compdef _dockroot dockroot
fi
`;
}

const HELP = "'(-h --help)'{-h,--help}'[print help]'";

function isNested(group: readonly CompletedCommand[]): boolean {
  return group.some(({ words }) => words.length > 1);
}

function armOfGroup(name: string, group: readonly CompletedCommand[]): string {
  const names = group.map(({ words: [, word = ""], summary }) =>
    describe(word, summary),
  );
  return `    ${name})
      _arguments -C ${HELP} '1: :->command' '*:: :->arguments'
      if [[ $state == command ]]; then
        commands=(${names.join(" ")})
        _describe -t commands 'command' commands
        return
      fi
      case $line[1] in
${group.map((command) => armOf(command.words[1], command, "        ")).join("\n")}
      esac
      ;;`;
}

function armOf(
  name = "",
  command: CompletedCommand | undefined,
  indent: string,
): string {
  const { options = [], operands = { kind: "nothing" } } = command ?? {};
  const specs = [
    HELP,
    ...options.map(formatOption),
    ...(operands.kind === "nothing" ? [] : [`'*: :${complete(operands)}'`]),
  ];
  return `${indent}${name}) _arguments ${specs.join(" ")} ;;`;
}

function formatOption({
  name,
  describe: text,
  value,
  isOptional,
  placeholder,
}: CompletedOption): string {
  const about = `[${escape(text, /[\\[\]:]/g)}]`;
  if (value.kind === "nothing") return quoteForShell(`--${name}${about}`);
  const colons = isOptional ? "::" : ":";
  return quoteForShell(
    `--${name}=${about}${colons}${placeholder}:${complete(value)}`,
  );
}

function complete(value: Value): string {
  switch (value.kind) {
    case "nothing":
    case "text":
      return " ";
    case "words":
      return `(${value.words.join(" ")})`;
    case "file":
      return "_files";
    case "directory":
      return "_files -/";
  }
}

function describe(name: string, summary: string): string {
  return quoteForShell(`${escape(name, /[\\:]/g)}:${escape(summary, /\\/g)}`);
}

function escape(text: string, characters: RegExp): string {
  return text.replace(characters, "\\$&");
}
