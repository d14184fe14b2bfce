import path from "node:path";
import { lookAt } from "../root/boot-disk.ts";
import { runOnMachine, type DeployRun } from "./deploy-machine.ts";
import type { DeployScenario } from "./deploy-scenarios.ts";
import { withCopy } from "./disk-copy.ts";
import { plainMachine, type Machine } from "./faulty-start.ts";
import {
  judgeFaultyDeploy,
  judgeNext,
  judgeSettled,
  readDeploySight,
  type DeploySight,
} from "./judge-deployments.ts";
import fs from "node:fs";
import type { Problem } from "./tally.ts";

/** Does a scenario's command with a fault, and judges it and what comes after. */
export interface DeployBench {
  /** Where the disk is that is in use. */
  readonly disk: string;
  readonly run: (
    scenario: DeployScenario,
    script: string,
    machine?: Machine,
  ) => DeployRun;
  readonly look: () => Promise<DeploySight>;
  /**
   * All that is wrong with a disk that a fault has left, and with the next `upgrade` on it.
   */
  readonly judge: (
    scenario: DeployScenario,
    leave?: Leave,
  ) => Promise<Problem[]>;
}

/** What a judge is to expect of a disk. */
interface Leave {
  /** Whether a command has done all its work there. */
  readonly isSettled?: boolean;
  /** What else may have changed, besides what is of deployments. */
  readonly mayChange?: RegExp;
}

/** The next of the user's commands. */
export const NEXT_COMMAND = "upgrade --pull=never";

/** @param scratch for the disks and machines */
export async function createDeployBench(
  scratch: string,
  scenarios: readonly DeployScenario[],
): Promise<DeployBench> {
  const disk = path.join(scratch, "disk");
  const directory = path.join(scratch, "machine");
  const look = () => lookAt(disk, readDeploySight, ["subvolid=5", "ro"]);
  const run: DeployBench["run"] = (scenario, script, machine = plainMachine) =>
    runOnMachine(machine, directory, scenario.machine, script);
  const before = new Map<DeployScenario, DeploySight>();
  for (const scenario of scenarios) {
    before.set(scenario, await withCopy(scenario.disk, disk, look));
  }
  return {
    ...{ disk, run, look },
    judge: async (scenario, { isSettled = false, mayChange } = {}) => {
      const former = before.get(scenario);
      if (former === undefined) throw new Error("an unknown scenario");
      const between = await look();
      const problems = isSettled
        ? judgeSettled(former, between, mayChange)
        : judgeFaultyDeploy(scenario, former, between);
      const entry = between.menu.entries.find(
        ({ n }) => n === between.menu.next,
      );
      const cmdline = path.join(scratch, "next-cmdline");
      const config = path.join(scratch, "next-config");
      fs.writeFileSync(cmdline, `${entry?.options ?? ""}\n`);
      fs.writeFileSync(config, "{}");
      const rehearsal = `boot --dry-run --cmdline ${cmdline} --config ${config}`;
      const next = run(
        scenario,
        `${entry === undefined ? "" : `dockroot ${rehearsal}\n`}dockroot ${NEXT_COMMAND}\n`,
      );
      return [
        ...problems,
        ...judgeNext(next),
        ...judgeSettled(former, await look(), mayChange),
      ];
    },
  };
}
