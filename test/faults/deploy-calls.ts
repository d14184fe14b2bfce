import path from "node:path";
import type { Test } from "tap";
import { makeScratch } from "../root/scratch.ts";
import type { DeployBench } from "./deploy-bench.ts";
import type { DeployScenario } from "./deploy-scenarios.ts";
import { withCopy } from "./disk-copy.ts";
import {
  makeFaultyHelpers,
  numberCalls,
  type FaultyHelpers,
  type HelperCall,
} from "./faulty-helpers.ts";
import type { Machine } from "./faulty-start.ts";

/** A machine on which each call of a helper is seen, and may be another one than the real one. */
export interface WatchedMachine extends Machine {
  readonly helpers: FaultyHelpers;
  /** Where the real programs are, which only dockroot does not see. */
  readonly programs: string;
}

/** One call of a helper by a scenario's command. */
export interface DeployCall extends HelperCall {
  /** Which one that is, in words. */
  readonly name: string;
}

export interface DeployStep {
  readonly scenario: DeployScenario;
  readonly call: DeployCall;
}

export function makeWatchedMachine(t: Test): WatchedMachine {
  const helpers = makeFaultyHelpers(makeScratch(t, "deploy-helpers"));
  const programs = path.dirname(helpers.real("sh"));
  return {
    ...{ helpers, programs },
    command: (script) => helpers.command(`PATH='${programs}'; ${script}`),
  };
}

/**
 * Lets a scenario's command run as it is, to see what it calls.
 * @param before shell that runs first
 * @param command another one: the arguments of dockroot
 */
export async function listCalls(
  bench: DeployBench,
  machine: WatchedMachine,
  scenario: DeployScenario,
  before = "",
  command = scenario.command.join(" "),
): Promise<DeployCall[]> {
  const { helpers } = machine;
  helpers.arrange();
  await withCopy(scenario.disk, bench.disk, () => {
    const script = `${before}echo begin >>'${helpers.callLog}'\ndockroot ${command}\n`;
    const { said, tries } = bench.run(scenario, script, machine);
    if (tries.some(({ status }) => status !== 0)) throw new Error(said);
    return Promise.resolve();
  });
  const calls = helpers.calls();
  const begin = calls.indexOf("begin");
  return numberCalls(calls)
    .map((call, index) => {
      const what = calls[index]?.replaceAll(/[0-9a-f-]{36,}/g, "ID") ?? "";
      const number = String(index - begin);
      return { ...call, name: `${scenario.name}, call ${number}, ${what}` };
    })
    .slice(begin + 1);
}
