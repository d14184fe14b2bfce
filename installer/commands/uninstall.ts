import { enterRoot } from "../system/enter-root.ts";
import {
  formatNotChecked,
  formatUninstallPlan,
} from "../install/plan/format-install.ts";
import { lookAtRoot } from "../system/look-at-root.ts";
import { applyUninstall } from "../install/apply-install.ts";
import { confirmPlan } from "../cli/questions.ts";
import { gatherUninstall } from "../install/gather-uninstall.ts";
import { withLock } from "../install/lock.ts";
import { createProgress } from "../cli/progress.ts";
import { tellInterrupted } from "../install/transaction.ts";
import type { CliContext } from "../cli/cli-context.ts";
import { installFlags, tellResumed } from "./install.ts";
import { holdSignals } from "../system/hold-signals.ts";
import { requireRoot } from "../cli/require-root.ts";

export const uninstallFlags = {
  root: {
    ...installFlags.root,
    describe: "take back what was installed into the system in DIR",
  },
  "no-build": installFlags["no-build"],
  "dry-run": installFlags["dry-run"],
  yes: installFlags.yes,
} as const;

export interface UninstallFlags {
  readonly root?: string | undefined;
  readonly "no-build"?: boolean | undefined;
  readonly "dry-run"?: boolean | undefined;
  readonly yes?: boolean | undefined;
}

/**
 * `dockroot uninstall`: takes back what install did, and nothing else.
 * @returns the exit status
 * @throws BootError
 */
export async function runUninstall(
  flags: UninstallFlags,
  cli: CliContext,
): Promise<number> {
  requireRoot(cli.isRoot, "uninstall");
  if (flags.root !== undefined && flags["dry-run"] === true) {
    const host = lookAtRoot(cli.host, flags.root);
    return uninstall(flags, { ...cli, host });
  }
  if (flags.root !== undefined) return enterRoot(flags.root, cli);
  return withLock(cli.host, () => uninstall(flags, cli));
}

async function uninstall(
  flags: UninstallFlags,
  cli: CliContext,
): Promise<number> {
  const { host, stdout, stderr, terminal } = cli;
  await tellResumed(host, stdout, flags["dry-run"] === true);
  const plan = await gatherUninstall(host, flags["no-build"] !== true);
  if (plan === undefined) {
    stdout("dockroot install has done nothing here.\n");
    return 0;
  }
  stdout(formatNotChecked(plan.notChecked));
  stdout(formatUninstallPlan(plan));
  if (flags["dry-run"] === true) return 0;
  await confirmPlan(flags.yes === true, cli);
  const warnings = await holdSignals((interruption) =>
    tellInterrupted(interruption, cli.stderr, () =>
      applyUninstall(host, plan, {
        ...{ interruption, tell: stderr, say: stdout },
        progress: createProgress(stdout, terminal, () => host.nowMs()),
      }),
    ),
  );
  for (const warning of warnings) stdout(`warning: ${warning}\n`);
  stdout("All that install did is taken back.\n");
  return 0;
}
