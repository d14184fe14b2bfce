import fs from "node:fs";
import t from "tap";
import { lookAt } from "../root/boot-disk.ts";
import {
  makeScenarios,
  scenarioNames,
  type Scenario,
} from "./boot-scenarios.ts";
import { recordCampaign, wantedFaults } from "./campaign.ts";
import { readContent, type DiskContent } from "./disk-content.ts";
import { makeFastScratch, withCopy } from "./disk-copy.ts";
import {
  FAULTS,
  HELPERS,
  makeFaultyHelpers,
  type Fault,
} from "./faulty-helpers.ts";
import { start } from "./faulty-start.ts";
import {
  judgeFaultyStart,
  judgeNextStart,
  type Expectation,
} from "./judge-start.ts";

/** How many faults fit the time that there is in CI. */
const BOUND = 100;
/** Those that end by the time limit alone are given a short one. */
const ENDLESS: readonly Fault[] = [
  "hangs before its work",
  "hangs after its work",
  "is stopped",
  "leaves a child that holds its output",
  "complains without end",
];

interface Injection {
  readonly name: string;
  readonly run: () => Promise<string[]>;
}

await t.test("every helper call fails, in every way", async (t) => {
  const scratch = makeFastScratch(t, "helper-calls");
  const helpers = makeFaultyHelpers(fs.mkdtempSync(`${scratch}/helpers-`));
  const scenarios = await makeScenarios(t, scenarioNames);

  const injections: Injection[] = [];
  for (const scenario of scenarios) injections.push(...(await plan(scenario)));
  const chosen = Math.min(wantedFaults() ?? BOUND, injections.length);
  const lost: string[] = [];
  let survived = 0;
  for (let index = 0; index < chosen; index += 1) {
    // From every part of the list alike.
    const at = Math.floor((index * injections.length) / chosen);
    const injection = injections[at];
    if (injection === undefined) continue;
    const problems = await injection.run();
    if (problems.length === 0) survived += 1;
    if (problems.some((text) => /is lost|has changed/.test(text))) {
      lost.push(injection.name);
    }
    for (const problem of problems)
      t.fail(`${injection.name}: ${problem}`, { at: null, stack: "" });
  }
  recordCampaign(t, {
    campaign: "helper calls",
    injected: chosen,
    survived,
    lost: lost.length,
    note: `of ${String(injections.length)} that there are`,
  });

  /** Every call of every helper in a start, with every fault. */
  async function plan(scenario: Scenario): Promise<Injection[]> {
    const { name, disk, cmdline } = scenario;
    const good = cmdline.replace("docker_image=gone:1", "");
    const runOnce = async (
      options: string,
    ): Promise<{ calls: string[]; content: DiskContent }> => {
      helpers.arrange();
      return withCopy(disk, `${scratch}/disk`, async () => {
        const started = start(helpers, `${scratch}/machine`, options);
        t.equal(started.status, 0, `${name}: ${started.said}`);
        if (options === cmdline)
          t.equal(started.record?.result, scenario.result);
        return { calls: helpers.calls(), content: await look() };
      });
    };
    const { calls } = await runOnce(cmdline);
    const { content: reference } = await runOnce(good);
    t.comment(`${name}: ${String(calls.length)} calls of helpers`);
    const expectation = { before: scenario.content, reference };
    const faults = Object.keys(FAULTS) as Fault[];
    const single = calls.flatMap((call, index) =>
      // Another order at each call: a part of the list has some of all.
      faults.map((_, shift) => {
        const fault =
          faults[(index * 5 + shift) % faults.length] ?? "is stopped";
        return {
          name: `${name}, call ${String(index + 1)}, ${abbreviate(call)}, ${fault}`,
          run: () =>
            inject(scenario, good, expectation, fault, () => {
              helpers.arrange(fault, index + 1);
            }),
          isVisible: !(fault === "does nothing and succeeds" && isSilent(call)),
        };
      }),
    );
    const whole = HELPERS.flatMap((helper) =>
      (["missing", "not executable"] as const).map((how) => ({
        name: `${name}, ${helper} is ${how}`,
        run: () =>
          inject(scenario, good, expectation, undefined, () => {
            helpers.arrange();
            helpers.spoil(helper, how);
          }),
      })),
    );
    return [...single.filter(({ isVisible }) => isVisible), ...whole];
  }

  async function inject(
    { disk, cmdline }: Scenario,
    good: string,
    expectation: Expectation,
    fault: Fault | undefined,
    arrange: () => void,
  ): Promise<string[]> {
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
      helpers.restore();
      const problems = judgeFaultyStart(expectation, faulty, await look());
      helpers.arrange();
      const next = start(helpers, `${scratch}/machine`, good);
      return [...problems, ...judgeNextStart(expectation, next, await look())];
    });
  }

  function look(): Promise<DiskContent> {
    return lookAt(`${scratch}/disk`, readContent, ["subvolid=5", "ro"]);
  }
});

/** Nobody can tell whether these did their work, but by doing it again. */
function isSilent(call: string): boolean {
  return /^(?:cp|sync) /.test(call);
}

function abbreviate(call: string): string {
  return call
    .replaceAll(/\/\S*\/machine\/run/g, "RUN")
    .replaceAll(/[0-9a-f-]{36,}/g, "ID")
    .slice(0, 100);
}
