import yargs, { type Argv } from "yargs";
import { commandNames, commandTable, groups, type Command } from "./table.ts";

declare module "yargs" {
  interface Argv<T> {
    /** In yargs since 17.7; its types do not have it yet. */
    usageConfiguration(settings: { "hide-types": boolean }): Argv<T>;
  }
}

/**
 * What `--help` prints, without the last newline.
 * @param name of a command, or of a group of them; empty: the help for all
 */
export async function formatHelp(name: string): Promise<string> {
  const all = yargs()
    .scriptName("dockroot")
    .locale("en")
    .version(false)
    .exitProcess(false)
    .usage("$0: boots a PC straight into a Docker image")
    .usage("")
    .usage("$0 COMMAND [OPTION...]")
    .usageConfiguration({ "hide-types": true })
    .option("version", {
      type: "boolean",
      alias: "V",
      describe: "print the versions of dockroot and Node, and the architecture",
      global: false,
    })
    .help("help", "print this help")
    .alias("help", "h");
  for (const [first, names] of commandNames) {
    const summary = groups.get(first);
    if (summary === undefined) {
      addCommand(all, first);
      continue;
    }
    all.command(first, summary, (own: Argv) => {
      own.usage(`$0 ${first} COMMAND [OPTION...]`).usage("").usage(summary);
      for (const nested of names) addCommand(own, nested);
      return own;
    });
    for (const nested of names) addExample(all, nested);
  }
  let text = "";
  const words = name.split(" ").filter((word) => word !== "");
  await all.parseAsync([...words, "--help"], {}, (_error, _argv, output) => {
    text += output;
  });
  return text;
}

function addCommand(above: Argv, name: string): void {
  const command = commandTable.get(name);
  if (command === undefined) return;
  const word = name.split(" ").at(-1) ?? "";
  const usage = command.operands?.usage ?? "";
  const pattern = usage.startsWith("[")
    ? usage.replace("...", "..")
    : usage.replace(/.+/, "<$&>");
  above.command(`${word} ${pattern}`.trimEnd(), command.summary, (own: Argv) =>
    describeCommand(own, name, command),
  );
  addExample(above, name);
}

function addExample(above: Argv, name: string): void {
  const [example] = commandTable.get(name)?.examples ?? [];
  if (example !== undefined) above.example(...example);
}

function describeCommand(
  own: Argv,
  name: string,
  { summary, operands, flags, examples }: Command,
): Argv {
  own.usage(formatUsage(name, operands)).usage("").usage(summary);
  if (operands !== undefined) {
    const { usage, describe } = operands;
    own.positional(usage.replaceAll(/[[\].]/g, ""), { describe });
  }
  for (const [flag, { type, describe, placeholder, alias }] of Object.entries(
    flags,
  )) {
    // The name that is shown has its value's placeholder in it: nothing is parsed by this.
    const [shown = "", ...others] = [flag, alias ?? []]
      .flat()
      .map((word) => `${word} ${placeholder ?? ""}`.trimEnd());
    own.option(shown, { type, describe, alias: others });
  }
  for (const example of examples) own.example(...example);
  return own;
}

function formatUsage(name: string, operands: Command["operands"]): string {
  return ["$0", name, operands?.usage ?? [], "[OPTION...]"].flat().join(" ");
}
