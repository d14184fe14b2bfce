import { UsageError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { version } from "../../runtime/base/version.ts";
import { chooseGenerator, generators } from "../generators/choose-generator.ts";
import type { GeneratorName } from "../generators/generator.ts";
import { kernelVersions } from "../system/kernels.ts";
import { applyInstall } from "../install/apply-install.ts";
import { createProgress } from "../cli/progress.ts";
import {
  formatInstallPlan,
  formatNext,
  formatNotChecked,
  formatUnchanged,
} from "../install/plan/format-install.ts";
import {
  gatherInstall,
  type InstallRequest,
} from "../install/gather-install.ts";
import { readManifest } from "../install/gather-present.ts";
import { requireNoGenerator, withLock } from "../install/lock.ts";
import { requireHelpers } from "../install/helpers.ts";
import { isInterrupted } from "../install/journal.ts";
import { resumeInterrupted, tellInterrupted } from "../install/transaction.ts";
import type { CliContext } from "../cli/cli-context.ts";
import { enterRoot } from "../system/enter-root.ts";
import { lookAtRoot } from "../system/look-at-root.ts";
import { holdSignals } from "../system/hold-signals.ts";
import { quote } from "../text/quote.ts";
import { requireRoot } from "../cli/require-root.ts";
import { confirmPlan } from "../cli/questions.ts";

export const generatorNames = ["auto", ...Object.keys(generators)];

export const installFlags = {
  generator: {
    type: "string",
    placeholder: "NAME",
    values: generatorNames,
    describe: `what makes the initramfs: ${generatorNames.join(", ")} [auto]`,
  },
  image: {
    type: "string",
    placeholder: "REF",
    describe:
      "the image to boot, as docker images or podman images names it [what the configuration says]",
  },
  root: {
    type: "string",
    placeholder: "DIR",
    describe: "install into the system in DIR instead of this one",
  },
  "no-build": {
    type: "boolean",
    describe: "do not build the initramfs",
  },
  "dry-run": {
    type: "boolean",
    describe: "print what would be done, change nothing",
  },
  yes: {
    type: "boolean",
    describe: "ask nothing",
  },
} as const;

export interface InstallFlags {
  readonly generator?: string | undefined;
  readonly image?: string | undefined;
  readonly root?: string | undefined;
  readonly "no-build"?: boolean | undefined;
  readonly "dry-run"?: boolean | undefined;
  readonly yes?: boolean | undefined;
}

/**
 * `dockroot install`: puts dockroot into the initramfs of this system.
 * @returns the exit status
 * @throws BootError, UsageError
 */
export async function runInstall(
  flags: InstallFlags,
  cli: CliContext,
): Promise<number> {
  const { host, isRoot, executable } = cli;
  const name = readGeneratorName(flags.generator);
  requireRoot(isRoot, "install");
  if (executable === undefined) {
    throw new UsageError("only the built executable can install itself");
  }
  const installOn = (on: Host) => {
    const sha256 = host.files.hashFile(executable);
    const call = { ...flags, name, executable: { path: executable, sha256 } };
    return install(call, { ...cli, host: on });
  };
  if (flags.root !== undefined && flags["dry-run"] === true) {
    return installOn(lookAtRoot(host, flags.root));
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
  return withLock(host, () => installOn(host));
}

async function install(
  flags: InstallFlags & {
    readonly name: GeneratorName | undefined;
    readonly executable: InstallRequest["executable"];
  },
  cli: CliContext,
): Promise<number> {
  const { host, stdout, terminal } = cli;
  const isBuilding = flags["no-build"] !== true;
  await tellResumed(host, stdout, flags["dry-run"] === true);
  const helpers = await requireHelpers(host, flags.root !== undefined);
  const generator = chooseGenerator(host, flags.name ?? installedFor(host));
  const plan = await gatherInstall(host, {
    ...{ generator, isBuilding, image: flags.image },
    executable: flags.executable,
  });
  stdout(`dockroot ${version}, for ${generator.name}\n`);
  for (const warning of plan.warnings) stdout(`warning: ${warning}\n`);
  stdout(formatNotChecked([...helpers, ...plan.notChecked]));
  if (plan.changes.length === 0 && plan.builds.length === 0) {
    stdout(formatUnchanged(plan));
    return 0;
  }
  stdout(formatInstallPlan(plan));
  if (flags["dry-run"] === true) return 0;
  await confirmPlan(flags.yes === true, cli);
  const warnings = await holdSignals((interruption) =>
    tellInterrupted(interruption, cli.stderr, () =>
      applyInstall(host, plan, {
        ...{ interruption, tell: cli.stderr, say: stdout },
        progress: createProgress(stdout, terminal, () => host.nowMs()),
      }),
    ),
  );
  for (const warning of warnings) stdout(`warning: ${warning}\n`);
  const hasKernel = kernelVersions(host).length > 0;
  stdout(formatNext(plan, { hasKernel, isBuilding }));
  return 0;
}

/** @throws UsageError */
function readGeneratorName(given = "auto"): GeneratorName | undefined {
  if (given === "auto") return undefined;
  if (Object.hasOwn(generators, given)) return given as GeneratorName;
  throw new UsageError(
    `--generator ${given} is not known: it is one of ${generatorNames.join(", ")}`,
  );
}

/** A second time is for the same one. @throws BootError */
function installedFor(host: Host): GeneratorName | undefined {
  const name = readManifest(host)?.generator ?? "";
  return Object.hasOwn(generators, name) ? (name as GeneratorName) : undefined;
}

/** What a power failure left is brought to an end first. @throws BootError */
export async function tellResumed(
  host: Host,
  stdout: (text: string) => unknown,
  isDry: boolean,
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
  stdout(
    resumed === "undone"
      ? "What an interrupted run had done was taken back first.\n"
      : "What an interrupted run had left to do was done first.\n",
  );
}
