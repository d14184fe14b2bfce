import yargs, { type Argv } from "yargs";
import { bootFlags, finishFlags } from "../runtime/boot-flags.ts";
import { UsageError } from "../runtime/host/errors.ts";
import { runStatus, statusFlags, type StatusFlags } from "./commands/status.ts";
import type { Surroundings } from "./surroundings.ts";

declare module "yargs" {
  interface Argv<T> {
    /** In yargs since 17.7; its types do not have it yet. */
    usageConfiguration(settings: { "hide-types": boolean }): Argv<T>;
  }
}

interface Flag {
  readonly type: "string" | "boolean";
  readonly describe: string;
  readonly placeholder?: string;
}

interface CommandHelp {
  readonly summary: string;
  readonly flags: Readonly<Record<string, Flag>>;
  readonly example: readonly [call: string, meaning: string];
}

/** main.ts runs these without yargs; here they are listed and explained. */
const runtimeCommands: Readonly<Record<string, CommandHelp>> = {
  boot: {
    summary:
      "make this start's root from the image (in the initramfs, before root is mounted)",
    flags: bootFlags,
    example: [
      "$0 boot --dry-run",
      "print what a boot would do, change nothing",
    ],
  },
  finish: {
    summary:
      "release what boot left mounted, remove old generations (after root is mounted)",
    flags: finishFlags,
    example: ["$0 finish", "clean up after the boot in /run/dockroot"],
  },
};

const statusCommand: CommandHelp = {
  summary: "tell what booted, how, and which former roots there are",
  flags: statusFlags,
  example: ["$0 status", "as root it tells more"],
};

const commands = { ...runtimeCommands, status: statusCommand };

/**
 * The commands of the installed system, and the help for all.
 * @returns the exit code
 * @throws UsageError, BootError
 */
export async function runInstaller(
  argv: readonly string[],
  surroundings: Surroundings,
): Promise<number> {
  // `help COMMAND` is another way to write `COMMAND --help`.
  const args = argv[0] === "help" ? [...argv.slice(1), "--help"] : [...argv];
  const command = args.find((arg) => !arg.startsWith("-"));
  // yargs would answer an unknown command with --help by the help for all.
  if (command !== undefined && !Object.hasOwn(commands, command)) {
    throw new UsageError(`unknown command: ${command}`);
  }
  let text = "";
  let failure: string | undefined;
  let run: (() => Promise<number>) | undefined;
  await describeCommands((flags) => {
    run = () => runStatus(flags, surroundings);
  })
    .exitProcess(false)
    .fail((message, error) => {
      failure ??= message || error.message;
    })
    .parseAsync(args, {}, (_error, _argv, output) => {
      text += output;
    });
  if (failure !== undefined) throw new UsageError(lowerFirst(failure));
  if (text !== "") surroundings.stdout(`${text}\n`);
  return text === "" && run !== undefined ? run() : 0;
}

/** @param chooseStatus gets the flags of a call of `status` */
function describeCommands(chooseStatus: (flags: StatusFlags) => void): Argv {
  const all = yargs()
    .scriptName("dockroot")
    .locale("en")
    .version(false)
    .usage("$0: boots a PC straight into a Docker image")
    .usage("")
    .usage("$0 COMMAND [OPTION...]")
    .usageConfiguration({ "hide-types": true })
    .option("version", {
      type: "boolean",
      describe: "print the versions of dockroot and Node, and the architecture",
      global: false,
    })
    .help("help", "print this help")
    .alias("help", "h")
    .parserConfiguration({
      "boolean-negation": false,
      "camel-case-expansion": false,
      "duplicate-arguments-array": false,
    })
    .demandCommand(1, "a command is missing")
    .strict();
  for (const [name, command] of Object.entries(runtimeCommands)) {
    all
      .command(name, command.summary, (own) => describe(own, name, command))
      .example(...command.example);
  }
  return all
    .command(
      "status",
      statusCommand.summary,
      (own: Argv) =>
        describe(own, "status", statusCommand)
          .option("run-dir", {
            type: "string",
            requiresArg: true,
            hidden: true,
          })
          .option("json", { type: "boolean" }),
      chooseStatus,
    )
    .example(...statusCommand.example);
}

function describe(own: Argv, name: string, command: CommandHelp): Argv {
  return describeFlags(own.usage(`$0 ${name} [OPTION...]`), command.flags)
    .usage("")
    .usage(command.summary)
    .example(...command.example);
}

/** Only describes: a name can show its placeholder too. Where yargs parses it, it is declared besides. */
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
