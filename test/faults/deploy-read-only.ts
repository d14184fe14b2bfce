import type { Test } from "tap";
import { choosePart } from "./campaign.ts";
import type { DeployBench } from "./deploy-bench.ts";
import type { DeployStep, WatchedMachine } from "./deploy-calls.ts";
import { commandOf } from "./deploy-scenarios.ts";
import { withCopy } from "./disk-copy.ts";
import { judgeRun } from "./judge-deployments.ts";
import { createTally } from "./tally.ts";

const BOUNDS = { first: 3, whole: 60 };

/** From a call of a helper on, the whole filesystem is read-only. */
export async function failReadOnly(
  t: Test,
  bench: DeployBench,
  machine: WatchedMachine,
  steps: readonly DeployStep[],
): Promise<void> {
  const tally = createTally();
  const { chosen, note } = choosePart([steps], BOUNDS);
  const mount = machine.helpers.real("mount");
  for (const { scenario, call } of chosen) {
    machine.helpers.arrangeCommands(
      // Where that fails, it hangs, which is told.
      `'${mount}' -o remount,ro /var/lib/docker || "$sleep" 1000`,
      call,
    );
    await withCopy(scenario.disk, bench.disk, async () => {
      const ran = bench.run(scenario, commandOf(scenario), machine);
      tally.count(t, call.name, [
        ...judgeRun(ran),
        ...(await bench.judge(scenario)),
      ]);
    });
  }
  tally.record(t, "deployments: read-only disk", note);
}
