import { enterRoot } from "../system/enter-root.ts";
import {
  formatNotChecked,
  formatUninstallPlan,
} from "../install/plan/format-install.ts";
import { lookAtRoot } from "../system/tree-host.ts";
import { applyUninstall } from "../install/apply-install.ts";
import { gatherUninstall } from "../install/gather-uninstall.ts";
import { withLock } from "../install/lock.ts";
import type { CliContext } from "../cli/cli-context.ts";
import { carryOut, logPlan, tellResumed } from "./install.ts";
import { COMMAND_LOG, withCommandLog } from "../cli/command-log.ts";
import type { Logger } from "pino";
import type { FlagsOf } from "../cli/table.ts";

/**
 * `dockroot uninstall`: takes back what install did, and nothing else.
 * @returns the exit status
 * @throws BootError
 */
export async function runUninstall(
  flags: FlagsOf<"uninstall">,
  cli: CliContext,
): Promise<number> {
  if (flags.root !== undefined && flags["dry-run"] === true) {
    const host = lookAtRoot(cli.host, flags.root);
    const inside = { ...cli, host };
    return withCommandLog("uninstall", flags, inside, (log) =>
      uninstall(flags, inside, log),
    );
  }
  if (flags.root !== undefined) return enterRoot(flags.root, cli);
  return withCommandLog("uninstall", flags, cli, (log) =>
    withLock(cli.host, () => uninstall(flags, cli, log)),
  );
}

async function uninstall(
  flags: FlagsOf<"uninstall">,
  cli: CliContext,
  log: Logger,
): Promise<number> {
  const { host, stdout } = cli;
  await tellResumed(cli, flags["dry-run"] === true, log);
  const plan = await gatherUninstall(host, flags["no-build"] !== true);
  if (plan === undefined) {
    stdout("dockroot install has done nothing here.\n");
    log.info("nothing is to be changed");
    return 0;
  }
  stdout(formatNotChecked(plan.notChecked));
  stdout(formatUninstallPlan(plan));
  logPlan(log, plan);
  if (flags["dry-run"] === true) return 0;
  await carryOut(flags, cli, log, (reporter) =>
    applyUninstall(host, plan, reporter),
  );
  stdout("All that install did is taken back.\n");
  if (host.files.statusOf(host.path(COMMAND_LOG)) !== undefined) {
    stdout(`What was done is in ${COMMAND_LOG}, which stays.\n`);
  }
  return 0;
}
