// runner: tier=first seconds=16 whole=40
import fs from "node:fs";
import t, { type Test } from "tap";
import { run } from "../../fixtures/run.ts";
import { attach, detach, lookAt } from "../root/boot-disk.ts";
import { makeScenarios, type Scenario } from "./boot-scenarios.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import { describePart, wantedFaults } from "./campaign.ts";
import { sampleFaults } from "./choose-faults.ts";
import { readContent, type DiskContent } from "./disk-content.ts";
import { makeFastScratch, withCopy } from "./disk-copy.ts";
import { plainMachine, start, type Start } from "./faulty-start.ts";
import {
  judgeFaultyStart,
  judgeNextStart,
  type Expectation,
} from "./judge-start.ts";
import { createTally, type Problem } from "./tally.ts";

/** As many sizes of free room as each tier has time for. */
const BOUNDS = { first: 10, whole: 30 };
/** A subvolume of its own, so that it goes at once. */
const FILLING = "filling";
const WRITABLE = ["subvolid=5"];

/** What takes the room: in pieces, of which some are given back. */
interface Filling {
  readonly what: string;
  /** Data that a boot finds free, whatever else is taken. */
  readonly freeDataBytes: number;
  /** From large to small, until none fits any more. */
  readonly pieces: readonly {
    readonly add: (file: string) => Promise<void> | void;
  }[];
  /** With so many of the last pieces given back, or all, a boot has all it needs. */
  readonly enough: number;
}

const MIB = 1024 ** 2;
const dataPieces = [64 * MIB, 8 * MIB, MIB, 65536, 4096].map((bytes) => ({
  add: (file: string) => allocate(file, bytes),
}));
const data: Filling = {
  what: "data",
  freeDataBytes: 0,
  pieces: dataPieces,
  enough: Infinity,
};
/** Its target stands in the metadata, and unlike a small file it needs no data for a moment. */
const longLink = {
  add: (file: string) => {
    fs.symlinkSync("x".repeat(3900), file);
  },
};
const metadata: Filling = {
  what: "metadata",
  freeDataBytes: 8 * MIB,
  pieces: [longLink],
  enough: 2000,
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

  const tally = createTally();
  const results: Record<string, number> = {};
  const wanted =
    wantedFaults() ?? (isWholeTier() ? BOUNDS.whole : BOUNDS.first);
  let tried = 0;
  let sizes = 0;
  for (const filling of [data, metadata]) {
    const { what } = filling;
    const full = `${scratch}/full`;
    const order = await fill(t, scenario, full, filling);
    t.comment(`${what}: full with ${String(order.length)} pieces`);
    const enough = Math.min(filling.enough, order.length);
    const chosen = chooseSizes(enough, wanted / 2);
    tried += chosen.length;
    sizes += enough + 1;
    for (const given of chosen) {
      const { problems, faulty } = await inject(
        full,
        order,
        given,
        expectation,
      );
      const name = `${what}, ${String(given)} pieces free`;
      tally.count(t, name, problems);
      const result = describeResult(faulty);
      results[result] = (results[result] ?? 0) + 1;
      t.comment(`${name}: ${result}`);
      if (given === 0) t.not(result, "fresh", `${name}: ${faulty.said}`);
      if (given === enough) t.equal(result, "fresh", `${name}: ${faulty.said}`);
    }
    fs.rmSync(full);
  }
  if (wanted >= BOUNDS.whole) {
    const isCopyFull = Object.keys(results).some((result) =>
      result.includes("cannot copy the top layer"),
    );
    t.ok(isCopyFull, "some had no room for the copy");
  }
  tally.record(
    t,
    "no space",
    describePart(tried, sizes, isWholeTier() ? undefined : sampleSeed()),
    ...Object.entries(results).map(
      ([result, count]) => `${String(count)} ${result}`,
    ),
  );

  async function inject(
    full: string,
    order: readonly string[],
    given: number,
    expected: Expectation,
  ): Promise<{ problems: Problem[]; faulty: Start }> {
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
      const between = await lookAt(disk, readAfterRelief, WRITABLE);
      const next = startOnce();
      const after = await lookAt(disk, readContent, WRITABLE);
      const problems = [
        ...judgeFaultyStart(expected, faulty, between),
        ...judgeNextStart({ ...expected, before: between }, next, after),
      ];
      return { problems, faulty };
    });
  }
});

/**
 * How many pieces are given back in each boot: none, all that are needed, and some sizes between.
 * @param wanted how many boots, at least two
 */
function chooseSizes(enough: number, wanted: number): number[] {
  const count = Math.max(2, Math.min(Math.floor(wanted), enough + 1));
  if (isWholeTier()) {
    return Array.from({ length: count }, (_, index) =>
      Math.floor((index * enough) / (count - 1)),
    );
  }
  const between = Array.from({ length: enough - 1 }, (_, index) => index + 1);
  return [0, ...sampleFaults(between, count - 2, sampleSeed()), enough];
}

/** Fills a copy of the scenario's disk. @returns the names of the pieces, in the order of their making */
async function fill(
  t: Test,
  scenario: Scenario,
  full: string,
  { freeDataBytes, pieces }: Filling,
): Promise<string[]> {
  await run(["cp", "--sparse=always", "--", scenario.disk, full]);
  await attach(t, full);
  const names: string[] = [];
  await lookAt(
    full,
    async (top) => {
      const filling = `${top}/${FILLING}`;
      await run(["btrfs", "subvolume", "create", filling]);
      if (freeDataBytes > 0) {
        const room = `${filling}/room`;
        await allocate(room, freeDataBytes);
        await addPieces(`${filling}/data`, dataPieces);
        fs.rmSync(room);
        await run(["btrfs", "filesystem", "sync", top]);
      }
      names.push(...(await addPieces(filling, pieces)));
    },
    WRITABLE,
  );
  await detach(full);
  return names;
}

async function addPieces(
  directory: string,
  pieces: Filling["pieces"],
): Promise<string[]> {
  fs.mkdirSync(directory, { recursive: true });
  const names: string[] = [];
  for (const { add } of pieces) {
    for (let isFull = false; !isFull;) {
      const name = String(names.length);
      try {
        await add(`${directory}/${name}`);
        names.push(name);
      } catch (error) {
        if (!/ENOSPC|No space left on device/.test(String(error))) throw error;
        fs.rmSync(`${directory}/${name}`, { force: true });
        isFull = true;
      }
    }
  }
  return names;
}

async function allocate(file: string, bytes: number): Promise<void> {
  await run(["fallocate", "--length", String(bytes), file]);
}

/** What a boot came to and, where it made no new root, the work that failed. */
function describeResult({ record }: Start): string {
  const { result, failure } = record ?? { result: "none" };
  const work = /^cannot \S+(?: the \S+ \S+)?/.exec(failure?.message ?? "");
  return work === null ? result : `${result} (${work[0]})`;
}

/** Gives the room back and reads what is there. */
async function readAfterRelief(topLevel: string): Promise<DiskContent> {
  await run([
    ...["btrfs", "subvolume", "delete", "--commit-each"],
    `${topLevel}/${FILLING}`,
  ]);
  return readContent(topLevel);
}
