import { UsageError } from "../../runtime/base/errors.ts";
import type { Call } from "../cli/command-help.ts";
import { commandNames, describeCommands } from "./describe-commands.ts";
import type { CliContext } from "../cli/cli-context.ts";

/**
 * The commands of the installed system, and the help for all.
 * @returns the exit code
 * @throws UsageError, BootError
 */
export async function runInstaller(
  argv: readonly string[],
  cli: CliContext,
): Promise<number> {
  // `help COMMAND` is another way to write `COMMAND --help`.
  const args = argv[0] === "help" ? [...argv.slice(1), "--help"] : [...argv];
  refuseUnknown(args);
  let text = "";
  let failure: string | undefined;
  let call: Call | undefined;
  await describeCommands((chosen) => {
    call = chosen;
  })
    .exitProcess(false)
    .fail((message, error) => {
      failure ??= (message || error.message).replace(
        /^Not enough non-option arguments.*/s,
        "an argument is missing",
      );
    })
    .parseAsync(args, {}, (_error, _argv, output) => {
      text += output;
    });
  if (failure !== undefined) throw new UsageError(lowerFirst(failure));
  if (text !== "") cli.stdout(`${text}\n`);
  return text === "" && call !== undefined ? call(cli) : 0;
}

/** yargs would answer an unknown command with --help by the help for all. @throws UsageError */
function refuseUnknown(args: readonly string[]): void {
  const [command, below] = args.filter((arg) => !arg.startsWith("-"));
  if (command === undefined) return;
  const names = commandNames.get(command);
  if (names === undefined) throw new UsageError(`unknown command: ${command}`);
  if (below !== undefined && names.size > 0 && !names.has(below)) {
    throw new UsageError(`unknown command: ${command} ${below}`);
  }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
