// runner: tier=first seconds=16 whole=40
import fs from "node:fs";
import t from "tap";
import { lookAt } from "../root/boot-disk.ts";
import { makeScenarios } from "./boot-scenarios.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import { countFaults, describePart } from "./campaign.ts";
import { lookAtContent, readContent, wholeOf } from "./disk-content.ts";
import { sampleFaults } from "./choose-faults.ts";
import { makeFastScratch, withCopy } from "./disk-copy.ts";
import { plainMachine, start, type Start } from "./faulty-start.ts";
import {
  chooseSizes,
  fillDisk,
  fillings,
  giveBack,
  relieve,
} from "./full-disk.ts";
import {
  judgeFaultyStart,
  judgeNextStart,
  type Expectation,
} from "./judge-start.ts";
import { createTally, type Problem } from "./tally.ts";

/** As many sizes of free room as each tier has time for. */
const BOUNDS = { first: 10, whole: 30 };

type FsType = keyof typeof fillings;

const all = Object.keys(fillings) as FsType[];
const fsTypes = isWholeTier() ? all : sampleFaults(all, 1, sampleSeed());

for (const fsType of fsTypes) {
  await t.test(
    `${fsType}: the disk is full, but for more and more`,
    async (t) => {
      const scratch = makeFastScratch(t, "no-space");
      const disk = `${scratch}/disk`;
      const [scenario] = await makeScenarios(
        t,
        ["a new root over a former one"],
        fsType,
      );
      if (scenario === undefined) throw new Error("there is no scenario");
      const startOnce = () =>
        start(plainMachine, `${scratch}/machine`, scenario.cmdline);
      const reference = await withCopy(scenario.disk, disk, async () => {
        const { status, said } = startOnce();
        t.equal(status, 0, said);
        return lookAtContent(disk, fsType);
      });
      const expectation = { before: scenario.content, reference };

      const tally = createTally();
      const results: Record<string, number> = {};
      const wanted = countFaults(BOUNDS);
      let tried = 0;
      let sizes = 0;
      for (const filling of fillings[fsType]) {
        const { what } = filling;
        const full = `${scratch}/full`;
        const order = await fillDisk(t, scenario.disk, full, filling, fsType);
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
          t.equal(faulty.status, 0, `${name}, no root boots: ${faulty.said}`);
          if (given === 0) t.not(result, "fresh", `${name}: ${faulty.said}`);
          if (given === enough)
            t.equal(result, "fresh", `${name}: ${faulty.said}`);
        }
        fs.rmSync(full);
      }
      if (wanted >= BOUNDS.whole && fsType === "btrfs") {
        const isCopyFull = Object.keys(results).some((result) =>
          result.includes("cannot copy the top layer"),
        );
        t.ok(isCopyFull, "some had no room for the copy");
      }
      tally.record(
        t,
        fsType === "btrfs" ? "no space" : `no space, ${fsType}`,
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
          await giveBack(disk, order, given, fsType);
          const faulty = startOnce();
          const between = await lookAt(
            disk,
            async (top) => {
              await relieve(top, fsType);
              return readContent(top);
            },
            wholeOf(fsType),
          );
          const next = startOnce();
          const after = await lookAtContent(disk, fsType);
          const problems = [
            ...judgeFaultyStart(expected, faulty, between),
            ...judgeNextStart({ ...expected, before: between }, next, after),
          ];
          return { problems, faulty };
        });
      }
    },
  );
}

/** What a boot came to and, where it made no new root, the work that failed. */
function describeResult({ record }: Start): string {
  const { result, failure } = record ?? { result: "none" };
  const work = /^cannot \S+(?: the \S+ \S+)?/.exec(failure?.message ?? "");
  return work === null ? result : `${result} (${work[0]})`;
}
