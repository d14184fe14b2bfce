// runner: tier=first seconds=22 whole=150
import t from "tap";
import { makeScratch } from "../root/scratch.ts";
import {
  makeScenarios,
  scenarioNames,
  type Scenario,
} from "./boot-scenarios.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import { choosePart, wantedFaults } from "./campaign.ts";
import { sampleFaults } from "./choose-faults.ts";
import { lookAtContent, type DiskContent } from "./disk-content.ts";
import { makeFastScratch, withCopy } from "./disk-copy.ts";
import {
  HELPER_FAULTS,
  HELPERS,
  makeFaultyHelpers,
  numberCalls,
  type Fault,
} from "./faulty-helpers.ts";
import { start } from "./faulty-start.ts";
import {
  judgeFaultyStart,
  judgeNextStart,
  type Expectation,
} from "./judge-start.ts";
import { createTally, wrong, type Problem } from "./tally.ts";

/** Those that end by the time limit alone are given a short one. */
const ENDLESS: readonly Fault[] = [
  "hangs before its work",
  "hangs after its work",
  "is stopped",
  "leaves a child that holds its output",
  "complains without end",
];
const FAULTS = Object.keys(HELPER_FAULTS) as Fault[];
/** With these the helper for the disk's lock never answers: a boot waits for that as for another one's. */
const UNANSWERED: readonly Fault[] = [
  "says nothing",
  "says garbage",
  "hangs before its work",
  "is stopped",
  "complains without end",
];
/** Prime to the number of faults that any call can have: neighbours and rounds differ. */
const STRIDE = 5;
/** What the first tier has time for. */
const SAMPLE = { scenarios: 2, faults: 16 };

/** FS_TYPE=ext4: machines of one filesystem alone. */
const only = process.env["FS_TYPE"];

interface Injection {
  readonly name: string;
  readonly run: () => Promise<Problem[]>;
}

await t.test("every helper call fails, in every way", async (t) => {
  const scratch = makeFastScratch(t, "helper-calls");
  const helpers = makeFaultyHelpers(makeScratch(t, "helpers"));
  const isSample = !isWholeTier() && wantedFaults() === undefined;
  const machines = (["btrfs", "ext4", "xfs"] as const).flatMap((fsType) =>
    scenarioNames.map((name) => ({ fsType, name })),
  );
  const names = isSample
    ? sampleFaults(machines, SAMPLE.scenarios, sampleSeed())
    : machines.filter(({ fsType }) => (only ?? fsType) === fsType);
  const scenarios: Scenario[] = [];
  for (const fsType of new Set(names.map((each) => each.fsType))) {
    const ofType = names.filter((each) => each.fsType === fsType);
    const chosen = ofType.map(({ name }) => name);
    scenarios.push(...(await makeScenarios(t, chosen, fsType)));
  }

  let calls = 0;
  const rounds: Injection[][] = [];
  for (const scenario of scenarios) await plan(scenario);
  const { chosen, note } = choosePart(
    rounds,
    {
      first: SAMPLE.faults,
      // Each call once.
      whole: rounds[0]?.length ?? 0,
    },
    // The same scenarios come again after so many seeds.
    Math.ceil(machines.length / names.length),
  );
  const tally = createTally();
  for (const { name, run } of chosen) tally.count(t, name, await run());
  tally.record(
    t,
    "helper calls",
    `${note}, at ${String(calls)} calls`,
    `${String(names.length)} of ${String(machines.length)} machines`,
  );

  /** Every call of every helper in a boot, with every fault: one in each round. */
  async function plan(scenario: Scenario): Promise<void> {
    const { disk, cmdline, fsType } = scenario;
    const name = `${fsType}: ${scenario.name}`;
    const good = cmdline.replace("docker_image=gone:1", "");
    const runOnce = async (
      options: string,
    ): Promise<{ called: string[]; content: DiskContent }> => {
      helpers.arrange();
      return withCopy(disk, `${scratch}/disk`, async () => {
        const started = start(helpers, `${scratch}/machine`, options);
        t.equal(started.status, 0, `${name}: ${started.said}`);
        if (options === cmdline)
          t.equal(started.record?.result, scenario.result);
        return { called: helpers.calls(), content: await look(fsType) };
      });
    };
    const { called } = await runOnce(cmdline);
    const { content: reference } = await runOnce(good);
    t.comment(`${name}: ${String(called.length)} calls of helpers`);
    t.ok(called.length > 0, `${name}: helpers were called`);
    const expectation = { before: scenario.content, reference };
    const numbered = numberCalls(called);
    for (const [index, call] of called.entries()) {
      const visible = FAULTS.filter(
        (fault) =>
          !isOrdinary(fault, call) &&
          !(call.startsWith("flock ") && UNANSWERED.includes(fault)),
      );
      for (let round = 0; round < visible.length; round += 1) {
        const fault = visible[(calls * STRIDE + round) % visible.length];
        (rounds[round] ??= []).push({
          name: `${name}, call ${String(index + 1)}, ${abbreviate(call)}, ${String(fault)}`,
          run: () =>
            inject(scenario, good, expectation, fault, () => {
              helpers.arrange(fault, numbered[index]);
            }),
        });
      }
      calls += 1;
    }
    const used = HELPERS.filter((helper) =>
      called.some((call) => call.startsWith(`${helper} `)),
    );
    for (const [index, helper] of used.entries()) {
      for (const [shift, how] of (
        ["missing", "not executable"] as const
      ).entries()) {
        (rounds[(index + shift) % 2] ??= []).push({
          name: `${name}, ${helper} is ${how}`,
          run: () =>
            inject(scenario, good, expectation, undefined, () => {
              helpers.arrange();
              helpers.spoil(helper, how);
            }),
        });
      }
    }
  }

  async function inject(
    { disk, cmdline, fsType }: Scenario,
    good: string,
    expectation: Expectation,
    fault: Fault | undefined,
    arrange: () => void,
  ): Promise<Problem[]> {
    const limit =
      fault !== undefined && ENDLESS.includes(fault)
        ? "dockroot.timeout=1"
        : "";
    return withCopy(disk, `${scratch}/disk`, async () => {
      arrange();
      const faulty = start(
        helpers,
        `${scratch}/machine`,
        `${cmdline} ${limit}`,
      );
      const hasFired = fault === undefined || helpers.hasFired();
      helpers.restore();
      const between = await look(fsType);
      helpers.arrange();
      const next = start(helpers, `${scratch}/machine`, good);
      return [
        ...(hasFired ? [] : wrong(["there was no such call"])),
        ...judgeFaultyStart(expectation, faulty, between),
        ...judgeNextStart(
          { ...expectation, before: between },
          next,
          await look(fsType),
        ),
      ];
    });
  }

  function look(fsType: Scenario["fsType"]): Promise<DiskContent> {
    return lookAtContent(`${scratch}/disk`, fsType);
  }
});

/** Whether nobody could tell the call from one without a fault, but by doing its work again. */
function isOrdinary(fault: Fault, call: string): boolean {
  if (fault === "does nothing and succeeds") {
    return /^(?:cp|sync|btrfs device ready) /.test(call);
  }
  const isSilent =
    /^(?:cp|mount|sync|umount|btrfs (?:device ready|filesystem sync|property set)) /;
  return fault === "says nothing" && isSilent.test(call);
}

function abbreviate(call: string): string {
  return call
    .replaceAll(/\/\S*\/machine\/run/g, "RUN")
    .replaceAll(/[0-9a-f-]{36,}/g, "ID")
    .slice(0, 100);
}
