import { UsageError } from "../../runtime/base/errors.ts";
import type { CommandHelp } from "../cli/command-help.ts";
import type { CliContext } from "../cli/cli-context.ts";
import { listCompletedCommands } from "../cli/completed-command.ts";
import { formatBash } from "../cli/format-bash.ts";
import { formatFish } from "../cli/format-fish.ts";
import { formatZsh } from "../cli/format-zsh.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;

/**
 * `dockroot completion`: a shell's script that completes dockroot's command line. It has all that it
 * proposes in it: to start an executable of 110 MB for each press of a key would be felt.
 * @param table all commands
 * @param summaries of the words that may come first
 * @returns the exit status
 * @throws UsageError
 */
export function runCompletion(
  shell: string,
  table: ReadonlyMap<string, CommandHelp>,
  summaries: ReadonlyMap<string, string>,
  { stdout }: CliContext,
): Promise<number> {
  const known = SHELLS.find((name) => name === shell);
  if (known === undefined) {
    throw new UsageError(`completion ${shell} is none of ${SHELLS.join(", ")}`);
  }
  const commands = listCompletedCommands(table);
  const format = { bash: formatBash, zsh: formatZsh, fish: formatFish }[known];
  stdout(
    format(commands, new Map([...summaries, ["help", "explain a command"]])),
  );
  return Promise.resolve(0);
}
