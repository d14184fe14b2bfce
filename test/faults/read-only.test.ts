// runner: tier=first seconds=9
import t from "tap";
import { run } from "../../fixtures/run.ts";
import { lookAt } from "../root/boot-disk.ts";
import {
  makeScenarios,
  RWLAYER,
  type Scenario,
  type ScenarioName,
} from "./boot-scenarios.ts";
import { recordCampaign } from "./campaign.ts";
import { describeLosses, readContent, subvolumeAt } from "./disk-content.ts";
import { makeFastScratch, withCopy } from "./disk-copy.ts";
import { plainMachine, start, type Start } from "./faulty-start.ts";

const READ_ONLY = ["subvolid=5", "ro"];

interface ReadOnlyCase {
  readonly name: string;
  readonly scenario: ScenarioName;
  readonly result: "fresh" | "fallback" | "failed";
  /** Starts the machine on this disk, which has a loop device. */
  readonly begin: (
    device: string,
    disk: string,
    startOnce: () => Start,
  ) => Promise<Start>;
}

const writeProtected: ReadOnlyCase["begin"] = async (device, _, startOnce) => {
  await run(["blockdev", "--setro", device]);
  return startOnce();
};
const cases: readonly ReadOnlyCase[] = [
  {
    name: "a write-protected disk with a former root",
    scenario: "a new root over a former one",
    result: "fallback",
    begin: writeProtected,
  },
  {
    name: "a write-protected disk with generations alone",
    scenario: "the image and the rwlayer are gone",
    result: "failed",
    begin: writeProtected,
  },
  {
    name: "a write-protected disk with nothing",
    scenario: "the first root",
    result: "failed",
    begin: writeProtected,
  },
  {
    name: "a disk that is mounted read-only elsewhere",
    scenario: "a new root over a former one",
    result: "fresh",
    begin: (_, disk, startOnce) => lookAt(disk, startOnce, READ_ONLY),
  },
];

const scratch = makeFastScratch(t, "read-only");
const disk = `${scratch}/disk`;
const names = [...new Set(cases.map(({ scenario }) => scenario))];
const scenarios = await makeScenarios(t, names);

await t.test("the disk takes no writes", async (t) => {
  let survived = 0;
  let lost = 0;
  for (const { name, result, begin, ...each } of cases) {
    const scenario = scenarioNamed(each.scenario);
    await withCopy(scenario.disk, disk, async (device) => {
      const { status, finishStatus, said, record } = await begin(
        device,
        disk,
        () => start(plainMachine, `${scratch}/machine`, scenario.cmdline),
      );
      await run(["blockdev", "--setrw", device]);
      const after = await lookAt(disk, readContent, READ_ONLY);
      const losses = describeLosses(scenario.content, after, () => false);
      const isRight =
        record?.result === result &&
        status === (result === "failed" ? 1 : 0) &&
        finishStatus === (result === "failed" ? undefined : 0) &&
        /^ {2}what to do: /m.test(said) === (result !== "fresh") &&
        (result === "failed" ||
          record.subvolumeUuid === subvolumeAt(after, RWLAYER)?.uuid);
      t.ok(isRight, `${name}: ${said}`);
      t.strictSame(losses, [], `${name}: nothing is lost`);
      if (losses.length > 0) lost += 1;
      else if (isRight) survived += 1;
    });
  }
  const injected = cases.length;
  recordCampaign(t, { campaign: "read-only disk", injected, survived, lost });
});

await t.test("rootflags=ro is for root alone", async (t) => {
  const scenario = scenarioNamed("a new root over a former one");
  await withCopy(scenario.disk, disk, async () => {
    const { status, finishStatus, said, record } = start(
      plainMachine,
      `${scratch}/machine`,
      `${scenario.cmdline} rootflags=ro,subvol=${RWLAYER}`,
    );
    t.equal(status, 0, said);
    t.equal(finishStatus, 0, said);
    const after = await lookAt(disk, readContent, READ_ONLY);
    t.equal(record?.result, "fresh");
    t.equal(record?.subvolumeUuid, subvolumeAt(after, RWLAYER)?.uuid);
  });
});

function scenarioNamed(name: ScenarioName): Scenario {
  const scenario = scenarios.find((made) => made.name === name);
  if (scenario === undefined) throw new Error(`there is no ${name}`);
  return scenario;
}
