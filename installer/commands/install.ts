import type { Logger } from "pino";
import { UsageError } from "../../runtime/base/errors.ts";
import { quote } from "../../runtime/base/quote.ts";
import { version } from "../../runtime/base/version.ts";
import { carryOut, onSystem, tellWarnings } from "../cli/change-system.ts";
import type { CliContext } from "../cli/cli-context.ts";
import type { FlagsOf } from "../cli/table.ts";
import { chooseGenerator } from "../generators/choose-generator.ts";
import { applyInstall } from "../install/apply-install.ts";
import {
  gatherInstall,
  installedGenerator,
  type InstallRequest,
} from "../install/gather-install.ts";
import { listHelpers, requireHelpers } from "../install/helpers.ts";
import { BTRFS_HELPER } from "../install/plan/helper-version.ts";
import {
  formatInstallPlan,
  formatNext,
  formatNotChecked,
  formatUnchanged,
} from "../install/plan/format-install.ts";
import { kernelVersions } from "../system/kernels.ts";

/**
 * `dockroot install`: puts dockroot into the initramfs of this system.
 * @returns the exit status
 * @throws BootError, UsageError
 */
export async function runInstall(
  flags: FlagsOf<"install">,
  cli: CliContext,
): Promise<number> {
  const { executable: path } = cli;
  if (path === undefined) {
    throw new UsageError("only the built executable can install itself");
  }
  const status = await onSystem("install", flags, cli, (inside, log) => {
    // It stands in the system here, not in one that is looked at.
    const executable = { path, sha256: cli.host.files.hashFile(path) };
    return install(flags, executable, inside, log);
  });
  if (flags.root !== undefined && flags["dry-run"] !== true && status === 0) {
    cli.stdout(
      `doctor and uninstall need --root ${quote(flags.root)}, too, when run from here.\n`,
    );
  }
  return status;
}

const NO_BTRFS =
  "btrfs is not installed: the initramfs boots from ext4 and xfs alone (from btrfs with the package btrfs-progs)";

async function install(
  flags: FlagsOf<"install">,
  executable: InstallRequest["executable"],
  cli: CliContext,
  log: Logger,
): Promise<number> {
  const { host, stdout } = cli;
  const isBuilding = flags["no-build"] !== true;
  const helpers = await requireHelpers(host, flags.root !== undefined);
  const { generator: named = "auto" } = flags;
  const generator = chooseGenerator(
    host,
    named === "auto" ? installedGenerator(host) : named,
  );
  const plan = await gatherInstall(host, {
    generator,
    isBuilding,
    image: flags.image,
    executable,
  });
  stdout(`dockroot ${version}, for ${generator.name}\n`);
  const hasBtrfs = listHelpers(host).includes(BTRFS_HELPER);
  tellWarnings(cli, log, [...(hasBtrfs ? [] : [NO_BTRFS]), ...plan.warnings]);
  stdout(formatNotChecked([...helpers, ...plan.notChecked]));
  if (plan.changes.length === 0 && plan.builds.length === 0) {
    stdout(formatUnchanged(plan));
    log.info("nothing to change");
    return 0;
  }
  stdout(formatInstallPlan(plan));
  const isDone = await carryOut(flags, cli, log, plan, (reporter) =>
    applyInstall(host, plan, reporter),
  );
  if (!isDone) return 0;
  const hasKernel = kernelVersions(host).length > 0;
  stdout(formatNext(plan, { hasKernel, isBuilding }));
  return 0;
}
