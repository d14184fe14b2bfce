import type { Argv } from "yargs";
import type { CliContext } from "./cli-context.ts";

/** A call of a command, its arguments read. */
export type Call = (cli: CliContext) => Promise<number>;

export interface Flag {
  readonly type: "string" | "boolean";
  readonly describe: string;
  readonly placeholder?: string;
  /** Another name of it, for those who know that. */
  readonly alias?: string;
  /** All that its value can be. */
  readonly values?: readonly string[];
}

/** What is told of a command. */
export interface CommandHelp {
  readonly summary: string;
  /** What follows its name. */
  readonly usage?: string;
  /** All that can follow its name besides options. */
  readonly operands?: readonly string[];
  readonly flags: Readonly<Record<string, Flag>>;
  readonly examples: readonly (readonly [call: string, meaning: string])[];
}

/** @param name with the names of the commands above it */
export function describeCommand(
  own: Argv,
  name: string,
  { summary, usage = "[OPTION...]", flags, examples }: CommandHelp,
): Argv {
  const described = describeFlags(own.usage(`$0 ${name} ${usage}`), flags)
    .usage("")
    .usage(summary);
  for (const example of examples) described.example(...example);
  return described;
}

/** Only describes: a name can show its placeholder too. Where yargs parses it, it is declared besides. */
function describeFlags(
  command: Argv,
  flags: Readonly<Record<string, Flag>>,
): Argv {
  for (const [name, flag] of Object.entries(flags)) {
    const { type, describe, placeholder, alias } = flag;
    const [shown = "", ...others] = [
      name,
      ...(alias === undefined ? [] : [alias]),
    ].map((word) =>
      placeholder === undefined ? word : `${word} ${placeholder}`,
    );
    command.option(shown, { type, describe, alias: others });
  }
  return command;
}
