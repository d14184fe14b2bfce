import type { Argv } from "yargs";
import {
  describeCommand,
  type Call,
  type CommandHelp,
} from "../cli/command-help.ts";
import { storeFlags } from "../cli/image-flags.ts";
import { bootEntryFlags, runBootEntry } from "./boot-entry.ts";

export const bootEntryCommands = {
  "boot-entry": {
    summary: "print the boot menu entry for this machine, or write it",
    flags: bootEntryFlags,
    examples: [
      ["$0 boot-entry", "for the boot loader that is found"],
      ["$0 boot-entry --output", "write it where the boot loader looks"],
    ],
  },
} as const satisfies Readonly<Record<string, CommandHelp>>;

const VALUE = { type: "string", requiresArg: true, hidden: true } as const;
const STORE_PATH = { ...VALUE, alias: storeFlags["store-path"].alias };

/** @param choose gets the call, where it is this command */
export function describeBootEntry(
  all: Argv,
  choose: (call: Call) => void,
): Argv {
  const command = bootEntryCommands["boot-entry"];
  all.command(
    "boot-entry",
    command.summary,
    (own: Argv) =>
      describeCommand(own, "boot-entry", command)
        .option("loader", VALUE)
        .option("output", { type: "string", hidden: true })
        .option("image", VALUE)
        .option("store-path", STORE_PATH)
        .option("store", VALUE)
        .option("json", { type: "boolean" }),
    (flags) => {
      choose((cli) => runBootEntry(flags, cli));
    },
  );
  return all.example(...command.examples[0]).example(...command.examples[1]);
}
