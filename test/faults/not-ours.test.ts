import fs from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { run } from "../../fixtures/run.ts";
import { makeBootDisk, rehearse } from "../root/boot-disk.ts";
import { recordCampaign } from "./campaign.ts";
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

const disk = await makeBootDisk(t, "not-ours");
let injected = 0;
let survived = 0;
let lost = 0;

/** @param place below the top level; `{own}` is dockroot's own directory of the rwlayer */
async function leavesAlone(
  t: Test,
  what: string,
  place: (own: string, rwlayer: string) => string,
  expected: "fallback" | "fresh" | "failed",
  options = "",
): Promise<void> {
  injected += 1;
  const rwlayer = `machine-${String(injected)}`;
  const own = `.dockroot/${rwlayer}`;
  const machine = rehearse(
    t,
    disk,
    rwlayer,
    `docker_image=system:1 dockroot.fallback=last ${options}`,
  );
  for (let starts = 1; starts <= 2; starts += 1) {
    const { status, stderr } = machine.boot("dockroot.generations=9");
    t.equal(status, 0, stderr);
    t.equal(machine.finish().status, 0);
  }
  const at = place(own, rwlayer);
  const before = await disk.look(async (top) => {
    if (at === rwlayer) fs.renameSync(`${top}/${at}`, `${top}/${at}-away`);
    await STRANGERS[what]?.(`${top}/${at}`);
    return readContent(top);
  });
  const { status, stderr } = machine.boot();
  const { result } = machine.record();
  const finished = status === 0 ? machine.finish() : undefined;
  const after = await disk.look(readContent, ["ro"]);
  const old = [rwlayer, `${own}/generations/1`];
  const problems = describeLosses(
    before,
    after,
    (file) => expected === "fresh" && old.includes(file),
  );
  const isRight =
    t.equal(result, expected, `${what} at ${at}: ${stderr}`) &&
    t.equal(status, expected === "failed" ? 1 : 0) &&
    t.equal(finished?.status ?? 0, 0, finished?.stderr) &&
    (expected === "failed" ||
      t.equal(
        subvolumeAt(after, rwlayer)?.uuid,
        machine.record().subvolumeUuid,
      ));
  if (problems.length > 0) lost += 1;
  else if (isRight) survived += 1;
  t.strictSame(problems, [], `${what} at ${at} is as it was`);
  // Room for the next.
  await disk.look((top) => {
    fs.renameSync(`${top}/${own}`, `${top}/${rwlayer}.own`);
  });
}

for (const what of Object.keys(STRANGERS)) {
  await t.test(`${what} in the rwlayer's place`, async (t) => {
    await leavesAlone(t, what, (_, rwlayer) => rwlayer, "failed");
  });
  await t.test(`${what} in staging's place`, async (t) => {
    await leavesAlone(t, what, (own) => `${own}/staging`, "fallback");
  });
  await t.test(`${what} among the generations`, async (t) => {
    const place = (own: string) => `${own}/generations/1x`;
    await leavesAlone(t, what, place, "fresh", "dockroot.generations=0");
  });
  await t.test(`${what} in a generation's place`, async (t) => {
    const place = (own: string) => `${own}/generations/7`;
    await leavesAlone(t, what, place, "fresh", "dockroot.generations=0");
  });
}

await t.test("all of it is told in the table", async (t) => {
  recordCampaign(t, { campaign: "not ours", injected, survived, lost });
});

async function makeSubvolume(place: string): Promise<void> {
  await subvolume("create", place);
  fs.writeFileSync(`${place}/precious`, "precious");
}

function subvolume(command: string, ...args: string[]): Promise<string> {
  return run(["btrfs", "subvolume", command, ...args]);
}
