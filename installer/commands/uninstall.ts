import { enterRoot } from "../system/enter-root.ts";
import {
  formatNotChecked,
  formatUninstallPlan,
} from "../install/plan/format-install.ts";
import { lookAtRoot } from "../system/look-at-root.ts";
import { applyUninstall } from "../install/apply-install.ts";
import { gatherUninstall } from "../install/gather-uninstall.ts";
import { withLock } from "../install/lock.ts";
import type { CliContext } from "../cli/cli-context.ts";
import { carryOut, tellResumed } from "./install.ts";
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
    return uninstall(flags, { ...cli, host });
  }
  if (flags.root !== undefined) return enterRoot(flags.root, cli);
  return withLock(cli.host, () => uninstall(flags, cli));
}

async function uninstall(
  flags: FlagsOf<"uninstall">,
  cli: CliContext,
): Promise<number> {
  const { host, stdout } = cli;
  await tellResumed(host, stdout, flags["dry-run"] === true);
  const plan = await gatherUninstall(host, flags["no-build"] !== true);
  if (plan === undefined) {
    stdout("dockroot install has done nothing here.\n");
    return 0;
  }
  stdout(formatNotChecked(plan.notChecked));
  stdout(formatUninstallPlan(plan));
  if (flags["dry-run"] === true) return 0;
  await carryOut(flags, cli, (reporter) =>
    applyUninstall(host, plan, reporter),
  );
  stdout("All that install did is taken back.\n");
  return 0;
}
