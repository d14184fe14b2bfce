import { setTimeout as sleep } from "node:timers/promises";
import { UsageError } from "../../runtime/base/errors.ts";
import { formatJson } from "../../runtime/base/escape.ts";
import { limitHelpers } from "../../runtime/host/host.ts";
import type { CliContext } from "../cli/cli-context.ts";
import { withCommandLog } from "../cli/command-log.ts";
import { readStoreChoice } from "../cli/parse.ts";
import type { FlagsOf } from "../cli/table.ts";
import {
  awaitConfirmation,
  confirmRunning,
  findCounted,
  giveTryBack,
  markFailed,
  restart,
  restartForOwnKernel,
} from "../deploy/confirmation.ts";
import { nameDeployment } from "../deploy/plan/deployments.ts";
import { describeDeployments } from "../deploy/plan/format-deployments.ts";

const HELPER_TIMEOUT_MS = 300_000;

/**
 * `dockroot confirm`: the deployment that runs works.
 * @returns the exit status
 * @throws BootError, UsageError
 */
export function runConfirm(
  {
    json = false,
    verbose,
    after = "0",
    failed = false,
    automatic: isAutomatic = false,
    "give-back": givesBack = false,
    ...flags
  }: FlagsOf<"confirm">,
  cli: CliContext,
): Promise<number> {
  const seconds = parseSeconds(after);
  const { stdout } = cli;
  return withCommandLog("confirm", { verbose }, cli, async (log) => {
    const host = limitHelpers(cli.host, HELPER_TIMEOUT_MS);
    const store = readStoreChoice(flags);
    const wait = () => sleep(seconds * 1000);
    if (givesBack) {
      await giveTryBack(host, store);
      return 0;
    }
    if (failed) {
      const found = await findCounted(host, store);
      if (found === undefined) {
        stdout(
          "No deployment runs whose boots are counted: the machine does not restart.\n",
        );
        return 0;
      }
      stdout(
        `${nameDeployment(found)} has failed: the machine restarts in ${String(seconds)} s\n`,
      );
      markFailed(host);
      await wait();
      await restart(host);
      return 0;
    }
    const [isDue] = await Promise.all([
      isAutomatic ? awaitConfirmation(host, store) : true,
      wait(),
    ]);
    const confirmation = await confirmRunning(host, store, isDue);
    const { after: state, running, once, confirmed } = confirmation;
    log.info({ running }, "confirmed");
    stdout(
      json
        ? formatJson(describeDeployments(state, running, once.after))
        : confirmed === undefined
          ? "No deployment runs: there is nothing to confirm.\n"
          : `${confirmed.state === "good" ? "confirmed" : "not confirmed"}: ${nameDeployment(confirmed)}\n`,
    );
    if (isAutomatic && (await restartForOwnKernel(host, store, confirmation))) {
      log.info({ running }, "restarted for its own kernel");
    }
    return 0;
  });
}

/** @throws UsageError */
function parseSeconds(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new UsageError(`--after ${text}: it is a number of seconds`);
}
