// runner: tier=first seconds=6
import fs from "node:fs";
import t, { type Test } from "tap";
import { run } from "../../../fixtures/run.ts";
import { makeFaultyHelpers } from "../../faults/faulty-helpers.ts";
import { start } from "../../faults/faulty-start.ts";
import { makeBootDisk } from "../boot-disk.ts";
import { makeScratch } from "../scratch.ts";

const MANY = 60;

const disk = await makeBootDisk(t, "many");
const helpers = makeFaultyHelpers(makeScratch(t, "helpers"));

await t.test(
  "what is not dockroot's costs a boot no helper, however much there is of it",
  async (t) => {
    startOnce(t, "dockroot.generations=9");
    const few = startOnce(t, "dockroot.generations=9");
    await disk.look(async (top) => {
      const generations = `${top}/.dockroot/many/generations`;
      fs.mkdirSync(`${top}/layers`);
      for (let count = 0; count < MANY; count += 1) {
        for (const file of [
          `${top}/layers/${String(count)}`,
          `${generations}/${String(100 + count)}`,
        ]) {
          await run(["btrfs", "subvolume", "create", file]);
        }
      }
    });
    const many = startOnce(t, "dockroot.generations=9");
    // Some of them begin at once.
    t.strictSame(
      many.calls.map(withoutNumber).toSorted(),
      few.calls.map(withoutNumber).toSorted(),
    );
    t.match(
      many.said,
      new RegExp(`and ${String(MANY - 3)} more cannot be proved to be`),
    );

    t.comment("nor does it make a removal dearer");
    const removing = startOnce(t, "dockroot.generations=0");
    const lists = (calls: readonly string[]) =>
      calls.filter((call) => call.startsWith("btrfs subvolume list")).length;
    t.equal(lists(removing.calls), lists(few.calls), "one list serves all");
    t.equal(
      removing.calls.length - few.calls.length,
      3 * 2 * 2,
      "two helpers for each root that goes, and two for its base",
    );
  },
);

/** A base has the number of its boot. */
function withoutNumber(call: string): string {
  return call.replace(/(?<=\/bases\/)\d+$/, "N");
}

function startOnce(
  t: Test,
  options: string,
): { calls: readonly string[]; said: string } {
  helpers.arrange();
  const { status, finishStatus, said } = start(
    helpers,
    `${disk.scratch}/run`,
    `root=LABEL=${disk.label} rootflags=subvol=many docker_path=docker docker_image=system:1 ${options}`,
  );
  t.strictSame([status, finishStatus], [0, 0], said);
  return { calls: helpers.calls(), said };
}
