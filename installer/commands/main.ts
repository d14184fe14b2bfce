import { BootError, explainUsage } from "../../runtime/base/errors.ts";
import type { CliContext } from "../cli/cli-context.ts";
import { formatHelp } from "../cli/help.ts";
import { wrapLines } from "../text/wrap.ts";
import { checkCall, parse, requireName, type Parsed } from "../cli/parse.ts";
import { commandTable, type CommandName, type FlagsOf } from "../cli/table.ts";

/** What main.ts runs without yargs, by arguments. */
type RuntimeCommand = "boot" | "finish";
export type RuntimeCommands = Readonly<
  Record<RuntimeCommand, (args: readonly string[]) => Promise<number>>
>;

/** @returns the exit status @throws BootError, UsageError */
type Handler<Name extends CommandName> = (
  flags: FlagsOf<Name>,
  cli: CliContext,
  operands: readonly string[],
) => Promise<number>;

/** Each file is loaded when its command is called. */
const handlers: {
  readonly [Name in Exclude<CommandName, RuntimeCommand>]: () => Promise<
    Handler<Name>
  >;
} = {
  install: async () => (await import("./install.ts")).runInstall,
  uninstall: async () => (await import("./uninstall.ts")).runUninstall,
  upgrade: async () => (await import("./upgrade.ts")).runUpgrade,
  switch: async () => (await import("./upgrade.ts")).runSwitch,
  deployments: async () => (await import("./deployments.ts")).runDeployments,
  rollback: async () => (await import("./deployments.ts")).runRollback,
  pin: async () => (await import("./deployments.ts")).runPin,
  remove: async () => (await import("./deployments.ts")).runRemove,
  confirm: async () => (await import("./confirm.ts")).runConfirm,
  gc: async () => (await import("./deployments.ts")).runGc,
  diff: async () => (await import("./diff.ts")).runDiff,
  status: async () => (await import("./status.ts")).runStatus,
  doctor: async () => (await import("./doctor.ts")).runDoctor,
  resolve: async () => (await import("./resolve.ts")).runResolve,
  "boot-entry": async () => (await import("./boot-entry.ts")).runBootEntry,
  "toplayer check": async () =>
    (await import("./toplayer-check.ts")).runToplayerCheck,
  "toplayer init": async () =>
    (await import("./toplayer-init.ts")).runToplayerInit,
  completion: async () => (await import("./completion.ts")).runCompletion,
};

/**
 * The commands of the installed system, and the help for all.
 * @returns the exit status
 * @throws BootError, UsageError
 */
export async function runInstaller(
  argv: readonly string[],
  cli: CliContext,
  runtime: RuntimeCommands,
): Promise<number> {
  const parsed = parse(argv);
  return explainUsage(parsed.name, async () => {
    if (!parsed.isHelp) return run(parsed, wrapOutput(cli, parsed), runtime);
    cli.stdout(`${await formatHelp(requireName(parsed))}\n`);
    return 0;
  });
}

/** What is copied, or read by programs: a line of it that is broken is another one. */
const UNBROKEN = new Set(["boot-entry", "completion"]);

function wrapOutput(cli: CliContext, { name, given }: Parsed): CliContext {
  if (UNBROKEN.has(name) || given.has("json")) return cli;
  const { columns } = cli.terminal;
  return { ...cli, stdout: (text) => cli.stdout(wrapLines(text, columns)) };
}

async function run(
  parsed: Parsed,
  cli: CliContext,
  runtime: RuntimeCommands,
): Promise<number> {
  const { name, flags, operands } = checkCall(parsed);
  if (name === "boot" || name === "finish") {
    const args = Object.entries(flags).map(([flag, value]) =>
      value === true ? `--${flag}` : `--${flag}=${String(value)}`,
    );
    return runtime[name](args);
  }
  if (commandTable.get(name)?.needsRoot === true && !cli.isRoot) {
    throw new BootError("NOT_ROOT", `dockroot ${name} needs root`, {
      hint: `Run it with sudo: sudo dockroot ${name} ...`,
    });
  }
  // The flags are those of this very name.
  const handler = (await handlers[name]()) as Handler<never>;
  return handler(flags as never, cli, operands);
}
