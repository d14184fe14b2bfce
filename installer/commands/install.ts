import { UsageError } from "../../runtime/base/errors.ts";
import type { Logger } from "pino";
import { describeFailure, formatFailure } from "../../runtime/base/failure.ts";
import type { Host } from "../../runtime/host/host.ts";
import { version } from "../../runtime/base/version.ts";
import { chooseGenerator } from "../generators/choose-generator.ts";
import {
  GENERATOR_NAMES,
  type GeneratorName,
} from "../generators/generator.ts";
import { kernelVersions } from "../system/kernels.ts";
import { applyInstall, type Reporter } from "../install/apply-install.ts";
import { createProgress } from "../cli/progress.ts";
import {
  formatInstallPlan,
  formatNext,
  formatNotChecked,
  formatUnchanged,
} from "../install/plan/format-install.ts";
import {
  gatherInstall,
  type Install,
  type InstallRequest,
} from "../install/gather-install.ts";
import { isInterrupted, readRecord } from "../install/journal.ts";
import { MANIFEST } from "../install/plan/records.ts";
import { requireNoGenerator, withLock } from "../install/lock.ts";
import { requireHelpers } from "../install/helpers.ts";
import { resumeInterrupted } from "../install/transaction.ts";
import { logFailure, withCommandLog } from "../cli/command-log.ts";
import type { CliContext } from "../cli/cli-context.ts";
import { enterRoot } from "../system/enter-root.ts";
import { lookAtRoot } from "../system/tree-host.ts";
import { holdSignals } from "../system/hold-signals.ts";
import { quote } from "../../runtime/base/quote.ts";
import type { FlagsOf } from "../cli/table.ts";
import { confirmPlan } from "../cli/questions.ts";

/**
 * `dockroot install`: puts dockroot into the initramfs of this system.
 * @returns the exit status
 * @throws BootError, UsageError
 */
export async function runInstall(
  flags: FlagsOf<"install">,
  cli: CliContext,
): Promise<number> {
  const { host, executable } = cli;
  if (executable === undefined) {
    throw new UsageError("only the built executable can install itself");
  }
  const installOn = (on: Host, isLocked: boolean) => {
    // It stands in the system here, not in one that is looked at.
    const sha256 = host.files.hashFile(executable);
    const own = { path: executable, sha256 };
    const inside = { ...cli, host: on };
    return withCommandLog("install", flags, inside, (log) => {
      const work = () => install(flags, own, inside, log);
      return isLocked ? withLock(on, work) : work();
    });
  };
  if (flags.root !== undefined && flags["dry-run"] === true) {
    return installOn(lookAtRoot(host, flags.root), false);
  }
  if (flags.root !== undefined) {
    const status = await enterRoot(flags.root, cli);
    if (status === 0) {
      cli.stdout(
        `From here, doctor and uninstall take --root ${quote(flags.root)}, too.\n`,
      );
    }
    return status;
  }
  return installOn(host, true);
}

async function install(
  flags: FlagsOf<"install">,
  executable: InstallRequest["executable"],
  cli: CliContext,
  log: Logger,
): Promise<number> {
  const { host, stdout } = cli;
  const isBuilding = flags["no-build"] !== true;
  await tellResumed(cli, flags["dry-run"] === true, log);
  const helpers = await requireHelpers(host, flags.root !== undefined);
  const { generator: named = "auto" } = flags;
  const generator = chooseGenerator(
    host,
    named === "auto" ? installedFor(host) : named,
  );
  const plan = await gatherInstall(host, {
    generator,
    isBuilding,
    image: flags.image,
    executable,
  });
  stdout(`dockroot ${version}, for ${generator.name}\n`);
  tellWarnings(cli, plan.warnings, log);
  stdout(formatNotChecked([...helpers, ...plan.notChecked]));
  if (plan.changes.length === 0 && plan.builds.length === 0) {
    stdout(formatUnchanged(plan));
    log.info("nothing is to be changed");
    return 0;
  }
  stdout(formatInstallPlan(plan));
  logPlan(log, plan);
  if (flags["dry-run"] === true) return 0;
  await carryOut(flags, cli, log, (reporter) =>
    applyInstall(host, plan, reporter),
  );
  const hasKernel = kernelVersions(host).length > 0;
  stdout(formatNext(plan, { hasKernel, isBuilding }));
  return 0;
}

/** Asks, applies, and prints the warnings of that. @throws BootError */
export async function carryOut(
  { yes = false }: Pick<FlagsOf<"install">, "yes">,
  cli: CliContext,
  log: Logger,
  apply: (reporter: Reporter) => Promise<readonly string[]>,
): Promise<void> {
  const { host, stdout, stderr, terminal } = cli;
  await confirmPlan(yes, cli);
  const warnings = await holdSignals(async (interruption) => {
    try {
      return await apply({
        interruption,
        tell: stderr,
        say: (text) => {
          stdout(text);
          log.info(text.trimEnd());
        },
        progress: createProgress(stdout, terminal, () => host.nowMs()),
      });
    } catch (error) {
      // The signal ends this process before anybody else can tell it.
      if (interruption.aborted) {
        stderr(formatFailure(describeFailure(error)));
        logFailure(log, error);
      }
      throw error;
    }
  });
  log.info("all is in place");
  tellWarnings(cli, warnings, log);
}

/** Logs what is to be changed, and which images are to be built. */
export function logPlan(
  log: Logger,
  { changes, builds }: Pick<Install, "changes" | "builds">,
): void {
  const files = changes.map(({ kind, path }) => ({ kind, path }));
  const images = builds.flatMap((build) =>
    build.images.map(({ path }) => path),
  );
  log.info({ files, images }, "planned");
}

function tellWarnings(
  { stdout }: CliContext,
  warnings: readonly string[],
  log: Logger,
): void {
  for (const warning of warnings) {
    stdout(`warning: ${warning}\n`);
    log.warn(warning);
  }
}

/** A second time is for the same one. @throws BootError */
function installedFor(host: Host): GeneratorName | undefined {
  const name = readRecord(host, MANIFEST)?.generator;
  return GENERATOR_NAMES.find((known) => known === name);
}

/** What a power failure left is brought to an end first. @throws BootError */
export async function tellResumed(
  { host, stdout }: CliContext,
  isDry: boolean,
  log: Logger,
): Promise<void> {
  if (isDry) {
    if (!isInterrupted(host)) return;
    stdout(
      "A run was interrupted here, which the next one brings to an end first: this is how things are now.\n",
    );
    return;
  }
  await requireNoGenerator(host);
  const resumed = resumeInterrupted(host);
  if (resumed === undefined) return;
  log.warn(`a former run was interrupted: ${resumed}`);
  stdout(
    resumed === "undone"
      ? "What an interrupted run had done was taken back first.\n"
      : "What an interrupted run had left to do was done first.\n",
  );
}
