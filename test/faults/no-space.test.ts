import fs from "node:fs";
import t, { type Test } from "tap";
import { run } from "../../fixtures/run.ts";
import { attach, detach, lookAt } from "../root/boot-disk.ts";
import { makeScenarios, type Scenario } from "./boot-scenarios.ts";
import { recordCampaign, wantedFaults } from "./campaign.ts";
import { readContent, type DiskContent } from "./disk-content.ts";
import { makeFastScratch, withCopy } from "./disk-copy.ts";
import { plainMachine, start } from "./faulty-start.ts";
import {
  judgeFaultyStart,
  judgeNextStart,
  type Expectation,
} from "./judge-start.ts";

/** How many sizes of free room fit the time that there is in CI. */
const BOUND = 30;
/** A subvolume of its own, so that it goes at once. */
const FILLING = "filling";
const WRITABLE = ["subvolid=5"];

/** What takes the room: in pieces, of which some are given back. */
interface Filling {
  readonly what: string;
  /** From large to small, until none fits any more. */
  readonly pieces: readonly number[];
  readonly add: (file: string, bytes: number) => Promise<void> | void;
  /** With so many of the last pieces given back, a start has all it needs. */
  readonly enough: number;
}

const allocate = async (file: string, bytes: number) => {
  await run(["fallocate", "--length", String(bytes), file]);
};
const MIB = 1024 ** 2;
const data: Filling = {
  what: "data",
  pieces: [64 * MIB, 8 * MIB, MIB, 65536, 4096],
  add: allocate,
  enough: 60,
};
/** Files of this size stand in the metadata. */
const INLINE_BYTES = 1900;
const metadata: Filling = {
  what: "metadata",
  pieces: [...data.pieces, INLINE_BYTES],
  add: (file, bytes) =>
    bytes === INLINE_BYTES
      ? fs.writeFileSync(file, Buffer.alloc(bytes, file))
      : allocate(file, bytes),
  enough: 120,
};

await t.test("the disk is full, but for more and more", async (t) => {
  const scratch = makeFastScratch(t, "no-space");
  const disk = `${scratch}/disk`;
  const [scenario] = await makeScenarios(t, ["a new root over a former one"]);
  if (scenario === undefined) throw new Error("there is no scenario");
  const startOnce = () =>
    start(plainMachine, `${scratch}/machine`, scenario.cmdline);
  const reference = await withCopy(scenario.disk, disk, async () => {
    const { status, said } = startOnce();
    t.equal(status, 0, said);
    return lookAt(disk, readContent, WRITABLE);
  });
  const expectation = { before: scenario.content, reference };

  let injected = 0;
  let survived = 0;
  let lost = 0;
  const results: Record<string, number> = {};
  for (const filling of [data, metadata]) {
    const full = `${scratch}/full`;
    const order = await fill(t, scenario, full, filling);
    const bound = Math.min((wantedFaults() ?? BOUND) / 2, filling.enough);
    for (let index = 0; index < bound; index += 1) {
      const given = Math.floor((index * filling.enough) / (bound - 1));
      const problems = await inject(full, order, given, expectation);
      injected += 1;
      if (problems.length === 0) survived += 1;
      if (problems.some((text) => /is lost|has changed/.test(text))) lost += 1;
      for (const problem of problems) {
        t.fail(`${filling.what}, ${String(given)} pieces free: ${problem}`, {
          at: null,
          stack: "",
        });
      }
    }
    fs.rmSync(full);
  }
  recordCampaign(t, {
    campaign: "no space",
    injected,
    survived,
    lost,
    note: Object.entries(results)
      .map(([result, count]) => `${String(count)} ${result}`)
      .join(", "),
  });

  async function inject(
    full: string,
    order: readonly string[],
    given: number,
    expected: Expectation,
  ): Promise<string[]> {
    return withCopy(full, disk, async () => {
      await lookAt(
        disk,
        (top) => {
          for (const name of order.slice(order.length - given)) {
            fs.rmSync(`${top}/${FILLING}/${name}`);
          }
        },
        WRITABLE,
      );
      const faulty = startOnce();
      const result = faulty.record?.result ?? "none";
      results[result] = (results[result] ?? 0) + 1;
      const after = await lookAt(disk, readAfterRelief, WRITABLE);
      const problems = judgeFaultyStart(expected, faulty, after);
      const next = startOnce();
      return [
        ...problems,
        ...judgeNextStart(
          expected,
          next,
          await lookAt(disk, readContent, WRITABLE),
        ),
      ];
    });
  }
});

/** Fills a copy of the scenario's disk. @returns the pieces' names, in the order of their making */
async function fill(
  t: Test,
  scenario: Scenario,
  full: string,
  { pieces, add }: Filling,
): Promise<string[]> {
  await run(["cp", "--sparse=always", "--", scenario.disk, full]);
  await attach(t, full);
  const names: string[] = [];
  await lookAt(
    full,
    async (top) => {
      const filling = `${top}/${FILLING}`;
      await run(["btrfs", "subvolume", "create", filling]);
      for (const bytes of pieces) {
        for (let isFull = false; !isFull;) {
          const name = String(names.length);
          try {
            await add(`${filling}/${name}`, bytes);
            names.push(name);
          } catch {
            fs.rmSync(`${filling}/${name}`, { force: true });
            isFull = true;
          }
        }
      }
    },
    WRITABLE,
  );
  await detach(full);
  return names;
}

/** Gives the room back and reads what is there. */
async function readAfterRelief(topLevel: string): Promise<DiskContent> {
  await run([
    ...["btrfs", "subvolume", "delete", "--commit-each"],
    `${topLevel}/${FILLING}`,
  ]);
  return readContent(topLevel);
}
