import { enterRoot } from "../enter-root.ts";
import { applyUninstall } from "../install/apply-uninstall.ts";
import { confirmPlan } from "../install/confirm.ts";
import { formatUninstallPlan } from "../install/format-uninstall.ts";
import { gatherUninstall } from "../install/gather-uninstall.ts";
import { createProgress } from "../install/progress.ts";
import type { Surroundings } from "../surroundings.ts";
import { installFlags, tellUndone } from "./install.ts";
import { holdSignals } from "./status/hold-signals.ts";
import { requireRoot } from "./toplayer/require-root.ts";

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
  surroundings: Surroundings,
): Promise<number> {
  const { host, isRoot, stdout, stderr, terminal } = surroundings;
  requireRoot(isRoot, "uninstall");
  if (flags.root !== undefined) return enterRoot(flags.root, surroundings);
  if (flags["dry-run"] !== true) tellUndone(host, stdout);
  const uninstall = await gatherUninstall(host, flags["no-build"] !== true);
  if (uninstall === undefined) {
    stdout("dockroot install has done nothing here.\n");
    return 0;
  }
  stdout(formatUninstallPlan(uninstall));
  if (flags["dry-run"] === true) return 0;
  await confirmPlan(flags.yes === true, surroundings);
  const warnings = await holdSignals((interruption) =>
    applyUninstall(host, uninstall, {
      interruption,
      tell: stderr,
      say: stdout,
      progress: createProgress(stdout, terminal, () => host.nowMs()),
    }),
  );
  for (const warning of warnings) stdout(`warning: ${warning}\n`);
  stdout("All that install did is taken back.\n");
  return 0;
}
