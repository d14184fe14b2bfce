import yargs, { type Argv } from "yargs";
import { bootFlags, finishFlags } from "../runtime/boot-flags.ts";
import { UsageError } from "../runtime/host/errors.ts";

declare module "yargs" {
  interface Argv<T> {
    /** In yargs since 17.7; its types do not have it yet. */
    usageConfiguration(settings: { "hide-types": boolean }): Argv<T>;
  }
}

export interface Output {
  stdout(text: string): unknown;
  stderr(text: string): unknown;
}

/**
 * The commands of the installed system, and the help for all of them. `boot` and `finish` stand here
 * to be listed and explained: main.ts runs them without yargs.
 * @returns the exit code
 * @throws UsageError
 */
export async function runInstaller(
  argv: readonly string[],
  { stdout }: Output,
): Promise<number> {
  // `help COMMAND` is another way to write `COMMAND --help`.
  const args = argv[0] === "help" ? [...argv.slice(1), "--help"] : [...argv];
  let text = "";
  let failure: string | undefined;
  await describeCommands()
    .exitProcess(false)
    .fail((message, error) => {
      failure ??= message || error.message;
    })
    .parseAsync(args, {}, (_error, _argv, output) => {
      text += output;
    });
  if (failure !== undefined) throw new UsageError(lowerFirst(failure));
  if (text !== "") stdout(`${text}\n`);
  return 0;
}

function describeCommands(): Argv {
  return yargs()
    .scriptName("dockroot")
    .locale("en")
    .version(false)
    .usage("$0: boots a PC straight into a Docker image")
    .usage("")
    .usage("$0 COMMAND [OPTION...]")
    .usageConfiguration({ "hide-types": true })
    .command(
      "boot",
      "make this start's root from the image (in the initramfs, before root is mounted)",
      (command) =>
        describeFlags(command.usage("$0 boot [OPTION...]"), bootFlags).example(
          "$0 boot --cmdline FILE --dry-run",
          "print what a boot with the kernel options in FILE would do",
        ),
    )
    .command(
      "finish",
      "release what boot left mounted, remove old generations (after root is mounted)",
      (command) =>
        describeFlags(
          command.usage("$0 finish [OPTION...]"),
          finishFlags,
        ).example(
          "$0 finish",
          "finish the boot that /run/dockroot has recorded",
        ),
    )
    .option("version", {
      type: "boolean",
      describe: "print the versions of dockroot and Node, and the architecture",
      global: false,
    })
    .help("help", "print this help")
    .alias("help", "h")
    .example("$0 boot --dry-run", "print what a boot would do, change nothing")
    .example("$0 finish", "clean up after root is mounted")
    .demandCommand(1, "a command is missing")
    .strictCommands()
    .strict();
}

interface Flag {
  readonly type: "string" | "boolean";
  readonly describe: string;
  readonly placeholder?: string;
}

/** Only describes: yargs does not parse these flags. So a name can show its placeholder too. */
function describeFlags(
  command: Argv,
  flags: Readonly<Record<string, Flag>>,
): Argv {
  for (const [name, { type, describe, placeholder }] of Object.entries(flags)) {
    const shown = placeholder === undefined ? name : `${name} ${placeholder}`;
    command.option(shown, { type, describe });
  }
  return command;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
