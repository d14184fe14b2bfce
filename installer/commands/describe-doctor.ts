import type { Argv } from "yargs";
import {
  describeCommand,
  type Call,
  type CommandHelp,
} from "../cli/command-help.ts";
import { storeFlags } from "../cli/image-flags.ts";
import { doctorFlags, runDoctor } from "./doctor.ts";
import { resolveFlags, runResolve } from "./resolve.ts";

export const doctorCommands = {
  doctor: {
    summary: "tell what would stop a boot, and what to do",
    flags: doctorFlags,
    examples: [
      ["$0 doctor", "this machine, its boot entries, and the image they name"],
      ["$0 doctor --image sample_image:next", "with another image"],
    ],
  },
  resolve: {
    summary: "tell what the image store has under a reference, and where",
    usage: "REF [OPTION...]",
    flags: resolveFlags,
    examples: [["$0 resolve sample_image:latest", "its ID, layers, directory"]],
  },
} as const satisfies Readonly<Record<string, CommandHelp>>;

const VALUE = { type: "string", requiresArg: true, hidden: true } as const;
const STORE_PATH = { ...VALUE, alias: storeFlags["store-path"].alias };

/** @param choose gets the call, where it is one of these */
export function describeDoctor(all: Argv, choose: (call: Call) => void): Argv {
  const { doctor, resolve } = doctorCommands;
  all.command(
    "doctor",
    doctor.summary,
    (own: Argv) =>
      describeCommand(own, "doctor", doctor)
        .option("image", VALUE)
        .option("root", VALUE)
        .option("json", { type: "boolean" }),
    (flags) => {
      choose((cli) => runDoctor(flags, cli));
    },
  );
  all.command(
    "resolve <REF>",
    resolve.summary,
    (own: Argv) =>
      describeCommand(own, "resolve", resolve)
        .positional("REF", {
          type: "string",
          demandOption: true,
          describe: "name, name:tag, name@sha256:..., or an image ID",
        })
        .option("store-path", STORE_PATH)
        .option("store", VALUE)
        .option("json", { type: "boolean" }),
    ({ REF: reference, ...flags }) => {
      const call = { ...flags, reference };
      choose((cli) => runResolve(call, cli));
    },
  );
  return all.example(...doctor.examples[0]).example(...resolve.examples[0]);
}
