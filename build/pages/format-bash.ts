import {
  firstWords,
  type CompletedCommand,
  type CompletedOption,
  type Value,
} from "./completed-command.ts";

/**
 * A script for bash, with or without the package bash-completion.
 * @see https://www.gnu.org/software/bash/manual/html_node/Programmable-Completion.html
 */
export function formatBash(commands: readonly CompletedCommand[]): string {
  const first = [...firstWords(commands)];
  const groups = first.filter(([, group]) =>
    group.some(({ words }) => words.length > 1),
  );
  const nested = groups.flatMap(([, group]) => group);
  const lines = {
    commands: [
      arm(
        first.map(([name]) => ` ${name}`),
        "command=$word",
      ),
      ...nested.map(({ words }) =>
        arm([words.join(" ")], `command='${words.join(" ")}'`),
      ),
    ],
    values: commands.flatMap(({ words, options }) =>
      options
        .filter(({ value }) => value.kind !== "nothing")
        .map((option) => armOfValue(words, option)),
    ),
    rest: [
      arm(
        [""],
        proposeWords([
          ...first.map(([name]) => name),
          ...["help", "--help", "--version"],
        ]),
      ),
      ...groups.map(([name, group]) =>
        arm(
          [name],
          proposeWords([
            ...group.flatMap(({ words }) => words.slice(1)),
            "--help",
          ]),
        ),
      ),
      ...commands.map(armOfCommand),
    ],
  };
  return `# bash completion for dockroot, printed by: dockroot completion bash

_dockroot_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

_dockroot_paths() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
}

_dockroot() {
    local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} command='' word
    # An option and its value in one word come as three.
    if [[ $cur == = ]]; then
        cur=''
    elif [[ $prev == = ]]; then
        prev=\${COMP_WORDS[COMP_CWORD - 2]}
    fi
    COMPREPLY=()
    for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$command $word" in
${lines.commands.join("\n")}
        esac
    done
    case "$command $prev" in
${lines.values.join("\n")}
    esac
    case $command in
${lines.rest.join("\n")}
    esac
}

complete -F _dockroot dockroot
`;
}

function armOfValue(
  words: readonly string[],
  { name, value, isOptional }: CompletedOption,
): string {
  const action = `${propose(value)}; return`;
  return arm(
    [`${words.join(" ")} --${name}`],
    // What follows may be another option.
    isOptional ? `[[ $cur == -* ]] || { ${action}; }` : action,
  );
}

function armOfCommand({ words, options, operands }: CompletedCommand): string {
  const flags = proposeWords([
    ...options.map(({ name }) => `--${name}`),
    "--help",
  ]);
  return arm(
    [words.join(" ")],
    operands.kind === "nothing"
      ? flags
      : `if [[ $cur == -* ]]; then ${flags}; else ${propose(operands)}; fi`,
  );
}

function arm(patterns: readonly string[], action: string): string {
  const list = patterns.map((pattern) => `'${pattern}'`).join(" | ");
  return `        ${list}) ${action} ;;`;
}

function propose(value: Value): string {
  switch (value.kind) {
    case "nothing":
    case "text":
      return ":";
    case "words":
      return proposeWords(value.words);
    case "file":
      return "_dockroot_paths -f";
    case "directory":
      return "_dockroot_paths -d";
  }
}

function proposeWords(words: readonly string[]): string {
  return `_dockroot_words '${words.join(" ")}'`;
}
