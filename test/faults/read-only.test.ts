// runner: tier=first seconds=20
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
import {
  describeLosses,
  lookAtContent,
  readContent,
  subvolumeAt,
} from "./disk-content.ts";
import { makeFastScratch, withCopy } from "./disk-copy.ts";
import { plainMachine, start, type Start } from "./faulty-start.ts";

const READ_ONLY = ["subvolid=5", "ro"];

const FS_TYPES = ["btrfs", "ext4"] as const;

interface ReadOnlyCase {
  readonly name: string;
  readonly scenario: ScenarioName;
  /** `undefined` where it cannot be: an ext4 that is mounted read-only takes no writes anywhere. */
  readonly result: Readonly<
    Record<
      (typeof FS_TYPES)[number],
      "fresh" | "fallback" | "failed" | undefined
    >
  >;
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
    result: { btrfs: "fallback", ext4: "fallback" },
    begin: writeProtected,
  },
  {
    name: "a write-protected disk with generations alone",
    scenario: "the image and the rwlayer are gone",
    // An overlay needs no name: it boots from where it is.
    result: { btrfs: "failed", ext4: "fallback" },
    begin: writeProtected,
  },
  {
    name: "a write-protected disk with nothing",
    scenario: "the first root",
    result: { btrfs: "failed", ext4: "failed" },
    begin: writeProtected,
  },
  {
    name: "a disk that is mounted read-only elsewhere",
    scenario: "a new root over a former one",
    result: { btrfs: "fresh", ext4: undefined },
    begin: (_, disk, startOnce) => lookAt(disk, startOnce, READ_ONLY),
  },
];

const scratch = makeFastScratch(t, "read-only");
const disk = `${scratch}/disk`;
const names = [...new Set(cases.map(({ scenario }) => scenario))];
const scenarios = [
  ...(await makeScenarios(t, names, "btrfs")),
  ...(await makeScenarios(t, names, "ext4")),
];

for (const fsType of FS_TYPES) {
  await t.test(`${fsType}: the disk takes no writes`, async (t) => {
    let [injected, survived, lost] = [0, 0, 0];
    for (const { name, begin, ...each } of cases) {
      const result = each.result[fsType];
      if (result === undefined) continue;
      injected += 1;
      const scenario = scenarioNamed(each.scenario, fsType);
      await withCopy(scenario.disk, disk, async (device) => {
        const { status, finishStatus, said, record } = await begin(
          device,
          disk,
          () => start(plainMachine, `${scratch}/machine`, scenario.cmdline),
        );
        await run(["blockdev", "--setrw", device]);
        const after = await lookAtContent(disk, fsType);
        const losses = describeLosses(scenario.content, after, () => false);
        const isRight =
          record?.result === result &&
          status === (result === "failed" ? 1 : 0) &&
          finishStatus === (result === "failed" ? undefined : 0) &&
          /^ {2}what to do: /m.test(said) === (result !== "fresh") &&
          (result === "failed" ||
            record.subvolumeUuid === subvolumeAt(after, record.root)?.uuid);
        t.ok(isRight, `${name}: ${said}`);
        t.strictSame(losses, [], `${name}: nothing is lost`);
        if (losses.length > 0) lost += 1;
        else if (isRight) survived += 1;
      });
    }
    const campaign = `read-only disk, ${fsType}`;
    recordCampaign(t, { campaign, injected, survived, lost });
  });
}

await t.test("rootflags=ro is for root alone", async (t) => {
  const scenario = scenarioNamed("a new root over a former one", "btrfs");
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

function scenarioNamed(
  name: ScenarioName,
  fsType: Scenario["fsType"],
): Scenario {
  const scenario = scenarios.find(
    (made) => made.name === name && made.fsType === fsType,
  );
  if (scenario === undefined) throw new Error(`there is no ${name}`);
  return scenario;
}
