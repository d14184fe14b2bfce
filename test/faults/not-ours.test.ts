// runner: tier=first seconds=12 whole=40
import fs from "node:fs";
import t, { type Test } from "tap";
import { run } from "../../fixtures/run.ts";
import { undoLater } from "../../fixtures/undo.ts";
import { lookAt } from "../root/boot-disk.ts";
import { sampleSeed } from "../tier.ts";
import {
  makeScenarios,
  RWLAYER,
  type Scenario,
  type ScenarioName,
} from "./boot-scenarios.ts";
import { createSampler, isWholeCampaign, recordCampaign } from "./campaign.ts";
import { sampleFaults } from "./choose-faults.ts";
import { wholeOf } from "./disk-content.ts";
import { makeFastScratch, withCopy } from "./disk-copy.ts";
import { plainMachine, start, type Start } from "./faulty-start.ts";
import { STRANGERS, type Result } from "./strangers.ts";
import {
  describeChanges,
  readWholeDisk,
  type WholeDisk,
} from "./whole-disk.ts";

/** So many strangers are put in each place in the first tier. */
const SAMPLE = 3;

const all = ["btrfs", "ext4"] as const;
const fsTypes = isWholeCampaign() ? all : sampleFaults(all, 1, sampleSeed());

const sampler = createSampler();
const scratch = makeFastScratch(t, "not-ours");
const disk = `${scratch}/disk`;
const NAMES = [
  "a new root over a former one",
  "a new root and all there is to clean up",
] as const satisfies ScenarioName[];

for (const fsType of fsTypes) {
  const scenarios = await makeScenarios(t, NAMES, fsType);
  const counts = { injected: 0, survived: 0, lost: 0 };
  const { strangers, places, mounts, licences } = STRANGERS[fsType];
  const whole = wholeOf(fsType);

  await t.test(`${fsType}: what dockroot did not make`, async (t) => {
    const scenario = scenarioNamed("a new root over a former one");
    for (const [where, each] of Object.entries(places)) {
      const { path: place, result, ours } = each;
      const strange = Object.entries(strangers).filter(
        ([what]) => what !== ours,
      );
      const chosen = sampler.take(strange, SAMPLE);
      for (const [what, make] of chosen) {
        await withCopy(scenario.disk, disk, async () => {
          const before = await lookAt(
            disk,
            async (top) => {
              if (place === RWLAYER) {
                fs.renameSync(`${top}/${place}`, `${top}/moved-away`);
              }
              await make(`${top}/${place}`);
              return readWholeDisk(top);
            },
            whole,
          );
          await judge(t, `${what} ${where}`, {
            ...{ before, result, place },
            outcome: startOn(scenario),
          });
        });
      }
    }
  });

  await t.test(`${fsType}: what is in use is left alone`, async (t) => {
    const point = `${scratch}/point`;
    fs.mkdirSync(point, { recursive: true });
    for (const [what, { mount, result, ...each }] of Object.entries(mounts)) {
      const scenario = scenarioNamed(each.scenario);
      await withCopy(scenario.disk, disk, async () => {
        const [before, outcome] = await lookAt(
          disk,
          async (top) => {
            const content = await readWholeDisk(top);
            const mounted = await mount(top, point);
            const unmount = undoLater(async () => {
              await run(["umount", "--", ...mounted]);
            });
            try {
              return [content, startOn(scenario)] as const;
            } finally {
              await unmount();
            }
          },
          whole,
        );
        await judge(t, what, { before, result, outcome });
      });
    }
  });

  await t.test(`${fsType}: none of it cost anything`, async (t) => {
    const [note] = sampler.notes();
    recordCampaign(t, {
      campaign: fsType === "btrfs" ? "not ours" : `not ours, ${fsType}`,
      ...counts,
      ...(note !== undefined && { note }),
    });
  });

  function scenarioNamed(name: ScenarioName): Scenario {
    const scenario = scenarios.find((made) => made.name === name);
    if (scenario === undefined) throw new Error(`there is no ${name}`);
    return scenario;
  }

  /** Compares all but what is dockroot's own, and counts. */
  async function judge(
    t: Test,
    fault: string,
    {
      before,
      result,
      place = "",
      outcome: { status, finishStatus, said, record },
    }: {
      readonly before: WholeDisk;
      readonly result: Result;
      /** Where somebody else's file is. */
      readonly place?: string;
      readonly outcome: Start;
    },
  ): Promise<void> {
    const after = await lookAt(disk, readWholeDisk, [...whole, "ro"]);
    const licence = result === "fresh" ? licences.fresh : licences.always;
    const isStrange = (file: string) => `${file}/`.startsWith(`${place}/`);
    const changes = describeChanges(before, after, {
      ...licence,
      isFree: (file) => licence.isFree(file) && !isStrange(file),
    });
    const isRight =
      (record?.result ?? "refused") === result &&
      (result === "failed" || result === "refused"
        ? status === 1
        : status === 0 &&
          finishStatus === 0 &&
          record?.subvolumeUuid === after.subvolumes[record?.root ?? ""]);
    counts.injected += 1;
    if (changes.length > 0) counts.lost += 1;
    else if (isRight) counts.survived += 1;
    t.strictSame(changes, [], `${fault}: it is as it was`);
    t.ok(isRight, `${fault}: ${said}`);
  }
}

/** As little as possible is kept. */
function startOn({ cmdline }: Scenario): Start {
  return start(
    plainMachine,
    `${scratch}/machine`,
    `${cmdline} dockroot.generations=0`,
  );
}
