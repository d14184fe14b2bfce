import type { Logger } from "pino";
import { carryOut, onSystem } from "../cli/change-system.ts";
import type { CliContext } from "../cli/cli-context.ts";
import { COMMAND_LOG } from "../cli/command-log.ts";
import type { FlagsOf } from "../cli/table.ts";
import { applyUninstall } from "../install/apply-install.ts";
import { gatherUninstall } from "../install/gather-uninstall.ts";
import {
  formatNotChecked,
  formatUninstallPlan,
} from "../install/plan/format-install.ts";

/**
 * `dockroot uninstall`: takes back what install did, and nothing else.
 * @returns the exit status
 * @throws BootError
 */
export async function runUninstall(
  flags: FlagsOf<"uninstall">,
  cli: CliContext,
): Promise<number> {
  return onSystem("uninstall", flags, cli, (inside, log) =>
    uninstall(flags, inside, log),
  );
}

async function uninstall(
  flags: FlagsOf<"uninstall">,
  cli: CliContext,
  log: Logger,
): Promise<number> {
  const { host, stdout } = cli;
  const plan = await gatherUninstall(host, flags["no-build"] !== true);
  if (plan === undefined) {
    stdout("dockroot is not installed here: nothing was changed.\n");
    log.info("nothing to change");
    return 0;
  }
  stdout(formatNotChecked(plan.notChecked));
  stdout(formatUninstallPlan(plan));
  const isDone = await carryOut(flags, cli, log, plan, (reporter) =>
    applyUninstall(host, plan, reporter),
  );
  if (!isDone) return 0;
  stdout("Everything that install did has been undone.\n");
  if (host.files.statusOf(host.path(COMMAND_LOG)) !== undefined) {
    stdout(`The log ${COMMAND_LOG} is kept.\n`);
  }
  return 0;
}
