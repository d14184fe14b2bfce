import fs from "node:fs";
import path from "node:path";
import t from "tap";
import { run } from "../../fixtures/run.ts";
import { lookAt } from "../root/boot-disk.ts";
import { makeScenarios, OWN_DIRECTORY, RWLAYER } from "./boot-scenarios.ts";
import { recordCampaign } from "./campaign.ts";
import { makeFastScratch, withCopy } from "./disk-copy.ts";
import { plainMachine, start } from "./faulty-start.ts";
import { describeLosses, readContent, subvolumeAt } from "./disk-content.ts";

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

/** Where it stands in the way, and what the start then comes to. */
const PLACES: Record<
  string,
  { readonly path: string; readonly result: "failed" | "fallback" | "fresh" }
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

await t.test("what dockroot did not make is left alone", async (t) => {
  const scratch = makeFastScratch(t, "not-ours");
  const disk = `${scratch}/disk`;
  const [scenario] = await makeScenarios(t, ["a new root over a former one"]);
  if (scenario === undefined) throw new Error("there is no scenario");
  let injected = 0;
  let survived = 0;
  let lost = 0;
  for (const [what, make] of Object.entries(STRANGERS)) {
    for (const [where, { path: place, result }] of Object.entries(PLACES)) {
      injected += 1;
      await withCopy(scenario.disk, disk, async () => {
        const before = await lookAt(
          disk,
          async (top) => {
            if (place === RWLAYER) {
              fs.renameSync(`${top}/${place}`, `${top}/moved-away`);
            }
            await make(`${top}/${place}`);
            return readContent(top);
          },
          ["subvolid=5"],
        );
        const { status, finishStatus, said, record } = start(
          plainMachine,
          `${scratch}/machine`,
          // As little as possible is kept.
          `${scenario.cmdline} dockroot.generations=0`,
        );
        const after = await lookAt(disk, readContent, ["subvolid=5", "ro"]);
        const losses = describeLosses(
          before,
          after,
          (file) => result === "fresh" && isOursAndOld(file),
        );
        const root = subvolumeAt(after, RWLAYER);
        const isRight =
          record?.result === result &&
          (result === "failed"
            ? status === 1
            : status === 0 &&
              finishStatus === 0 &&
              record.subvolumeUuid === root?.uuid);
        if (losses.length > 0) lost += 1;
        else if (isRight) survived += 1;
        t.strictSame(losses, [], `${what} ${where} is as it was`);
        t.ok(isRight, `${what} ${where}: ${said}`);
      });
    }
  }
  recordCampaign(t, { campaign: "not ours", injected, survived, lost });
});

/** The former root and its generations, with what is nested in them. */
function isOursAndOld(file: string): boolean {
  return new RegExp(
    `^(?:${RWLAYER}|${OWN_DIRECTORY}/generations/1)(?:/|$)`,
  ).test(file);
}

async function makeSubvolume(place: string): Promise<void> {
  await subvolume("create", place);
  fs.writeFileSync(`${place}/precious`, "precious");
}

function subvolume(command: string, ...args: string[]): Promise<string> {
  return run(["btrfs", "subvolume", command, ...args]);
}
