import yargs, { type Argv } from "yargs";
import { bootFlags, finishFlags } from "../../runtime/boot/boot-flags.ts";
import {
  describeCommand,
  type Call,
  type CommandHelp,
} from "../cli/command-help.ts";
import { runCompletion, SHELLS } from "./completion.ts";
import { runStatus, statusFlags } from "./status.ts";
import { describeInstall, installCommands } from "./describe-install.ts";
import { bootEntryCommands, describeBootEntry } from "./describe-boot-entry.ts";
import { describeDoctor, doctorCommands } from "./describe-doctor.ts";
import {
  describeToplayer,
  toplayerCommands,
  TOPLAYER_SUMMARY,
} from "./describe-toplayer.ts";

declare module "yargs" {
  interface Argv<T> {
    /** In yargs since 17.7; its types do not have it yet. */
    usageConfiguration(settings: { "hide-types": boolean }): Argv<T>;
  }
}

/** main.ts runs these without yargs; here they are listed and explained. */
const runtimeCommands: Readonly<Record<string, CommandHelp>> = {
  boot: {
    summary:
      "make this start's root from the image (in the initramfs, before root is mounted)",
    flags: bootFlags,
    examples: [
      ["$0 boot --dry-run", "print what a boot would do, change nothing"],
    ],
  },
  finish: {
    summary:
      "release what boot left mounted, remove old generations (after root is mounted)",
    flags: finishFlags,
    examples: [["$0 finish", "clean up after the boot in /run/dockroot"]],
  },
};

const statusCommand: CommandHelp = {
  summary: "tell what booted, how, and which former roots there are",
  flags: statusFlags,
  examples: [["$0 status", "as root it tells more"]],
};

const completionCommand: CommandHelp = {
  summary: "print a script that completes dockroot's command line in a shell",
  usage: "SHELL [OPTION...]",
  operands: SHELLS,
  flags: {},
  examples: [
    ["$0 completion bash", "for bash; zsh and fish have theirs as well"],
  ],
};

/** All commands, those below others by both names: `toplayer check`. */
export const commandTable: ReadonlyMap<string, CommandHelp> = new Map([
  ...Object.entries(runtimeCommands),
  ...Object.entries(installCommands),
  ["status", statusCommand],
  ...Object.entries(doctorCommands),
  ...Object.entries(bootEntryCommands),
  ...Object.entries(toplayerCommands).map(
    ([name, command]): [string, CommandHelp] => [`toplayer ${name}`, command],
  ),
  ["completion", completionCommand],
]);

/** What the help says of each word that may come first. */
const summaries: ReadonlyMap<string, string> = new Map([
  ...[...commandTable].map(([name, { summary }]): [string, string] =>
    name.startsWith("toplayer ")
      ? ["toplayer", TOPLAYER_SUMMARY]
      : [name, summary],
  ),
]);

/** The names of all commands, each with those of the commands below it. */
export const commandNames: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  [...summaries.keys()].map((name) => [
    name,
    new Set(
      [...commandTable.keys()].flatMap((command) => {
        const [first, below] = command.split(" ");
        return first === name && below !== undefined ? [below] : [];
      }),
    ),
  ]),
);

/** @param choose gets the call, where it is one of the installer's commands */
export function describeCommands(choose: (call: Call) => void): Argv {
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
    all.command(name, command.summary, (own) =>
      describeCommand(own, name, command),
    );
    for (const example of command.examples) all.example(...example);
  }
  all.command(
    "status",
    statusCommand.summary,
    (own: Argv) =>
      describeCommand(own, "status", statusCommand)
        .option("run-dir", { type: "string", requiresArg: true, hidden: true })
        .option("json", { type: "boolean" }),
    (flags) => {
      choose((cli) => runStatus(flags, cli));
    },
  );
  for (const example of statusCommand.examples) all.example(...example);
  describeInstall(all, choose);
  describeDoctor(all, choose);
  describeBootEntry(all, choose);
  describeToplayer(all, choose);
  all.command(
    "completion <SHELL>",
    completionCommand.summary,
    (own: Argv) =>
      describeCommand(own, "completion", completionCommand).positional(
        "SHELL",
        {
          type: "string",
          demandOption: true,
          describe: SHELLS.join(", "),
        },
      ),
    ({ SHELL: shell }) => {
      choose((cli) => runCompletion(shell, commandTable, summaries, cli));
    },
  );
  for (const example of completionCommand.examples) all.example(...example);
  return all;
}
