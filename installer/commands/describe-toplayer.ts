import type { Argv } from "yargs";
import {
  describeCommand,
  type Call,
  type CommandHelp,
} from "../cli/command-help.ts";
import { storeFlags } from "../cli/image-flags.ts";
import { runToplayerCheck, toplayerCheckFlags } from "./toplayer-check.ts";
import { runToplayerInit, toplayerInitFlags } from "./toplayer-init.ts";

export const TOPLAYER_SUMMARY =
  "prepare this machine's top layer (toplayer check, toplayer init)";

export const toplayerCommands = {
  check: {
    summary:
      "tell what a top layer does to the image, and what is wrong with it",
    usage: "[DIR...] [OPTION...]",
    flags: toplayerCheckFlags,
    examples: [
      ["$0 toplayer check", "the top layer of this start"],
      ["$0 toplayer check common laptop", "two, one laid over the other"],
    ],
  },
  init: {
    summary:
      "make a starting top layer from the running system; nothing is overwritten",
    usage: "DIR [OPTION...]",
    flags: toplayerInitFlags,
    examples: [["$0 toplayer init /mnt/boot_docker", "asks about accounts"]],
  },
} as const satisfies Readonly<Record<string, CommandHelp>>;

/** @param choose gets the call, where it is one of these */
export function describeToplayer(
  all: Argv,
  choose: (call: Call) => void,
): Argv {
  const { check, init } = toplayerCommands;
  all.command("toplayer", TOPLAYER_SUMMARY, (own: Argv) =>
    own
      .usage("$0 toplayer COMMAND [OPTION...]")
      .usage("")
      .usage(TOPLAYER_SUMMARY)
      .command(
        "check [DIR..]",
        check.summary,
        (own: Argv) =>
          withImageFlags(describeCommand(own, "toplayer check", check))
            // Without it all but the last DIR would be lost.
            .parserConfiguration({ "duplicate-arguments-array": true })
            .positional("DIR", {
              type: "string",
              array: true,
              describe:
                "the top layer's directories, in the order in which they are laid over [those of this start]",
            })
            .option("all", { type: "boolean", coerce: lastOf<boolean> })
            .option("json", { type: "boolean", coerce: lastOf<boolean> }),
        ({ DIR: directories = [], ...flags }) => {
          const call = { ...flags, directories };
          choose((cli) => runToplayerCheck(call, cli));
        },
      )
      .command(
        "init <DIR>",
        init.summary,
        (own: Argv) =>
          withImageFlags(describeCommand(own, "toplayer init", init))
            .positional("DIR", {
              type: "string",
              demandOption: true,
              describe: "the top layer's directory, made where it is absent",
            })
            .option("yes", { type: "boolean" }),
        ({ DIR: directory, ...flags }) => {
          const call = { ...flags, directory };
          choose((cli) => runToplayerInit(call, cli));
        },
      )
      .demandCommand(
        1,
        "a command is missing: toplayer check, or toplayer init",
      ),
  );
  return all.example(...check.examples[0]).example(...init.examples[0]);
}

function withImageFlags(own: Argv) {
  const value = {
    type: "string" as const,
    ...{ requiresArg: true, hidden: true, coerce: lastOf<string> },
  };
  return own
    .option("image", value)
    .option("store-path", { ...value, alias: storeFlags["store-path"].alias })
    .option("store", value);
}

/** Of a repeated option the last one counts. */
function lastOf<T>(value: T | readonly T[] | undefined): T | undefined {
  return Array.isArray(value) ? (value as readonly T[]).at(-1) : (value as T);
}
