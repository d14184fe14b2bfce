// runner: tier=first seconds=12 whole=24
import fs from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { run } from "../../fixtures/run.ts";
import { undoLater } from "../../fixtures/undo.ts";
import { lookAt } from "../root/boot-disk.ts";
import {
  makeScenarios,
  OWN_DIRECTORY,
  RWLAYER,
  type Scenario,
  type ScenarioName,
} from "./boot-scenarios.ts";
import { createSampler, recordCampaign } from "./campaign.ts";
import { makeFastScratch, withCopy } from "./disk-copy.ts";
import { plainMachine, start, type Start } from "./faulty-start.ts";
import {
  describeChanges,
  readWholeDisk,
  type Licence,
  type WholeDisk,
} from "./whole-disk.ts";

/** What a user may have put somewhere, with what must not be lost. */
const STRANGERS: Record<string, (place: string) => Promise<void> | void> = {
  "a subvolume": (place) => makeSubvolume(place),
  "an untouched snapshot of a subvolume": async (place) => {
    const original = `${place}-original`;
    await makeSubvolume(original);
    await subvolume("snapshot", original, place);
  },
  "a read-only snapshot of a subvolume": async (place) => {
    const original = `${place}-original`;
    await makeSubvolume(original);
    await subvolume("snapshot", "-r", original, place);
  },
  "a subvolume with others nested in it": async (place) => {
    await makeSubvolume(place);
    await makeSubvolume(`${place}/nested`);
    await makeSubvolume(`${place}/nested/deep`);
  },
  "a directory with files": (place) => {
    fs.mkdirSync(`${place}/sub`, { recursive: true });
    fs.writeFileSync(`${place}/sub/precious`, "precious");
  },
  "a directory with a subvolume in it": async (place) => {
    fs.mkdirSync(place);
    await makeSubvolume(`${place}/precious`);
  },
  "an empty directory": (place) => {
    fs.mkdirSync(place);
  },
  "a file": (place) => {
    fs.writeFileSync(place, "precious");
  },
  "a FIFO": async (place) => {
    await run(["mkfifo", place]);
  },
  "a link to a subvolume": async (place) => {
    await makeSubvolume(`${place}-original`);
    fs.symlinkSync(`${path.basename(place)}-original`, place);
  },
  "a link that leads out": (place) => {
    fs.symlinkSync("/etc", place);
  },
  "a link to itself": (place) => {
    fs.symlinkSync(path.basename(place), place);
  },
};

/** `refused`: nothing was begun, so there is no record either. */
type Result = "refused" | "failed" | "fallback" | "fresh";

/** Where it stands in the way, and what the boot then comes to. */
const PLACES: Record<
  string,
  { readonly path: string; readonly result: Result }
> = {
  "in the rwlayer's place": { path: RWLAYER, result: "failed" },
  "in staging's place": {
    path: `${OWN_DIRECTORY}/staging`,
    result: "fallback",
  },
  "among the generations": {
    path: `${OWN_DIRECTORY}/generations/1x`,
    result: "fresh",
  },
  "in a generation's place": {
    path: `${OWN_DIRECTORY}/generations/7`,
    result: "fresh",
  },
};

const LOGS = [
  `${OWN_DIRECTORY}/state.json`,
  `${OWN_DIRECTORY}/last-failure.log`,
];
const FREE_ALWAYS: Licence = {
  isFree: (file) => LOGS.includes(file),
  directories: ["", ".dockroot", OWN_DIRECTORY],
};
/** The former root becomes a generation, which stays for its user's subvolumes, as an earlier one may. */
const FREE_WHEN_FRESH: Licence = {
  isFree: (file) =>
    LOGS.includes(file) ||
    new RegExp(
      `^(?:${RWLAYER}|${OWN_DIRECTORY}/generations/[128])(?:/|$)`,
    ).test(file),
  directories: [...FREE_ALWAYS.directories, `${OWN_DIRECTORY}/generations`],
};

/** What is mounted besides, on a machine that has a former root. */
const MOUNTS: Record<
  string,
  {
    readonly scenario: ScenarioName;
    readonly result: Result;
    /** @param point an empty directory beside the disk */
    readonly mount: (
      topLevel: string,
      point: string,
    ) => Promise<readonly string[]>;
  }
> = {
  "a half-made staging of ours is mounted elsewhere": {
    scenario: "a new root and all there is to clean up",
    result: "refused",
    mount: (top, point) => bind(`${top}/${OWN_DIRECTORY}/staging`, point),
  },
  "a directory in it is mounted elsewhere": {
    scenario: "a new root and all there is to clean up",
    result: "refused",
    mount: (top, point) => bind(`${top}/${OWN_DIRECTORY}/staging/etc`, point),
  },
  "the former root is mounted elsewhere": {
    scenario: "a new root over a former one",
    result: "refused",
    mount: (top, point) => bind(`${top}/${RWLAYER}`, point),
  },
  "something is mounted over the rwlayer's path": {
    scenario: "a new root over a former one",
    result: "fallback",
    mount: (top) => mountMemory(`${top}/${RWLAYER}`),
  },
};

/** So many strangers are put in each place in the first tier. */
const SAMPLE = 3;

const sampler = createSampler();
const scratch = makeFastScratch(t, "not-ours");
const disk = `${scratch}/disk`;
const scenarios = await makeScenarios(t, [
  "a new root over a former one",
  "a new root and all there is to clean up",
]);
const counts = { injected: 0, survived: 0, lost: 0 };

await t.test("what dockroot did not make is left alone", async (t) => {
  const scenario = scenarioNamed("a new root over a former one");
  for (const [where, { path: place, result }] of Object.entries(PLACES)) {
    const strangers = sampler.take(Object.entries(STRANGERS), SAMPLE);
    for (const [what, make] of strangers) {
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
          ["subvolid=5"],
        );
        await judge(t, `${what} ${where}`, {
          ...{ before, result },
          outcome: startOn(scenario),
        });
      });
    }
  }
});

await t.test("what is in use is left alone", async (t) => {
  const point = `${scratch}/point`;
  fs.mkdirSync(point);
  for (const [what, { mount, result, ...each }] of Object.entries(MOUNTS)) {
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
        ["subvolid=5"],
      );
      await judge(t, what, { before, result, outcome });
    });
  }
});

await t.test("none of it cost anything", async (t) => {
  const [note] = sampler.notes();
  recordCampaign(t, {
    ...{ campaign: "not ours", ...counts },
    ...(note !== undefined && { note }),
  });
});

function scenarioNamed(name: ScenarioName): Scenario {
  const scenario = scenarios.find((made) => made.name === name);
  if (scenario === undefined) throw new Error(`there is no ${name}`);
  return scenario;
}

/** As little as possible is kept. */
function startOn({ cmdline }: Scenario): Start {
  return start(
    plainMachine,
    `${scratch}/machine`,
    `${cmdline} dockroot.generations=0`,
  );
}

/** Compares all but what is dockroot's own, and counts. */
async function judge(
  t: Test,
  fault: string,
  {
    before,
    result,
    outcome: { status, finishStatus, said, record },
  }: {
    readonly before: WholeDisk;
    readonly result: Result;
    readonly outcome: Start;
  },
): Promise<void> {
  const after = await lookAt(disk, readWholeDisk, ["subvolid=5", "ro"]);
  const changes = describeChanges(
    before,
    after,
    result === "fresh" ? FREE_WHEN_FRESH : FREE_ALWAYS,
  );
  const isRight =
    (record?.result ?? "refused") === result &&
    (result === "failed" || result === "refused"
      ? status === 1
      : status === 0 &&
        finishStatus === 0 &&
        record?.subvolumeUuid === after.subvolumes[RWLAYER]);
  counts.injected += 1;
  if (changes.length > 0) counts.lost += 1;
  else if (isRight) counts.survived += 1;
  t.strictSame(changes, [], `${fault}: it is as it was`);
  t.ok(isRight, `${fault}: ${said}`);
}

/** Mounts what is on the disk at a second place. */
async function bind(file: string, point: string): Promise<readonly string[]> {
  await run(["mount", "--bind", "--", file, point]);
  return [point];
}

async function mountMemory(at: string): Promise<readonly string[]> {
  await run(["mount", "-t", "tmpfs", "not-ours", "--", at]);
  return [at];
}

async function makeSubvolume(place: string): Promise<void> {
  await subvolume("create", place);
  fs.writeFileSync(`${place}/precious`, "precious");
}

function subvolume(command: string, ...args: string[]): Promise<string> {
  return run(["btrfs", "subvolume", command, ...args]);
}
