import type { Argv } from "yargs";
import {
  describeCommand,
  type Call,
  type CommandHelp,
} from "../cli/command-help.ts";
import { installFlags, runInstall } from "./install.ts";
import { runUninstall, uninstallFlags } from "./uninstall.ts";

export const installCommands = {
  install: {
    summary: "put dockroot into the initramfs of this system",
    flags: installFlags,
    examples: [
      ["$0 install --image sample_image", "in a Dockerfile or on a PC"],
      ["$0 install --dry-run", "what would that do?"],
    ],
  },
  uninstall: {
    summary: "take back what install did, and nothing else",
    flags: uninstallFlags,
    examples: [["$0 uninstall", "the initramfs is built without it"]],
  },
} as const satisfies Readonly<Record<string, CommandHelp>>;

/** @param choose gets the call, where it is one of these */
export function describeInstall(all: Argv, choose: (call: Call) => void): Argv {
  const { install, uninstall } = installCommands;
  const value = {
    type: "string" as const,
    ...{ requiresArg: true, hidden: true },
  };
  const isGiven = { type: "boolean" as const };
  return all
    .command(
      "install",
      install.summary,
      (own: Argv) =>
        describeCommand(own, "install", install)
          .option("generator", value)
          .option("image", value)
          .option("root", value)
          .option("no-build", isGiven)
          .option("dry-run", isGiven)
          .option("yes", isGiven),
      (flags) => {
        choose((cli) => runInstall(flags, cli));
      },
    )
    .command(
      "uninstall",
      uninstall.summary,
      (own: Argv) =>
        describeCommand(own, "uninstall", uninstall)
          .option("root", value)
          .option("no-build", isGiven)
          .option("dry-run", isGiven)
          .option("yes", isGiven),
      (flags) => {
        choose((cli) => runUninstall(flags, cli));
      },
    )
    .example(...install.examples[0])
    .example(...uninstall.examples[0]);
}
