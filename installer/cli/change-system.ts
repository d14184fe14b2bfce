import type { Logger } from "pino";
import { describeFailure, formatFailure } from "../../runtime/base/failure.ts";
import type { Reporter } from "../install/apply-install.ts";
import type { Install } from "../install/gather-install.ts";
import { withLock } from "../install/lock.ts";
import { resumeFirst } from "../install/transaction.ts";
import { enterRoot } from "../system/enter-root.ts";
import { holdSignals } from "../system/hold-signals.ts";
import { lookAtRoot } from "../system/tree-host.ts";
import type { CliContext } from "./cli-context.ts";
import { logFailure, withCommandLog } from "./command-log.ts";
import { createProgress } from "./progress.ts";
import { confirmPlan } from "./questions.ts";
import type { FlagsOf } from "./table.ts";

type Flags = FlagsOf<"install"> | FlagsOf<"uninstall">;

/**
 * Runs install or uninstall on this system, or on the one that `--root` names, which a dry run only
 * looks at. What a power failure left of a former run is brought to an end first.
 * @param work gets the system and the command's log
 * @returns the exit status
 * @throws BootError
 */
export async function onSystem(
  name: "install" | "uninstall",
  flags: Flags,
  cli: CliContext,
  work: (inside: CliContext, log: Logger) => Promise<number>,
): Promise<number> {
  const { root, "dry-run": isDry = false } = flags;
  if (root !== undefined && !isDry) return enterRoot(root, cli);
  const host = root === undefined ? cli.host : lookAtRoot(cli.host, root);
  const inside = { ...cli, host };
  return withCommandLog(name, flags, inside, (log) => {
    const begin = async () => {
      const resumed = await resumeFirst(host, isDry);
      if (resumed !== undefined) {
        cli.stdout(`${resumed}\n`);
        log.warn(resumed);
      }
      return work(inside, log);
    };
    return root === undefined ? withLock(host, begin) : begin();
  });
}

/**
 * Logs what is to be changed, asks, applies it, and prints the warnings of that.
 * @returns whether it was applied: a dry run is at its end here
 * @throws BootError
 */
export async function carryOut(
  { yes = false, "dry-run": isDry = false }: Flags,
  cli: CliContext,
  log: Logger,
  { changes, builds }: Pick<Install, "changes" | "builds">,
  apply: (reporter: Reporter) => Promise<readonly string[]>,
): Promise<boolean> {
  const files = changes.map(({ kind, path }) => ({ kind, path }));
  const images = builds.flatMap((build) =>
    build.images.map(({ path }) => path),
  );
  log.info({ files, images }, "planned");
  if (isDry) return false;
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
  tellWarnings(cli, log, warnings);
  return true;
}

export function tellWarnings(
  { stdout }: CliContext,
  log: Logger,
  warnings: readonly string[],
): void {
  for (const warning of warnings) {
    stdout(`warning: ${warning}\n`);
    log.warn(warning);
  }
}
