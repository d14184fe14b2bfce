// runner: tier=first weight=2 seconds=16 whole=45
import fs from "node:fs";
import t from "tap";
import { run } from "../../fixtures/run.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import { makeScenarios } from "./boot-scenarios.ts";
import { choosePart } from "./campaign.ts";
import { sampleFaults } from "./choose-faults.ts";
import { lookAtContent, type DiskContent } from "./disk-content.ts";
import { makeFastScratch, withCopy } from "./disk-copy.ts";
import {
  countOperations,
  withFaultyDisk,
  type DiskFault,
} from "./faulty-disk.ts";
import { plainMachine, start } from "./faulty-start.ts";
import { judgeFaultyStart, judgeNextStart } from "./judge-start.ts";
import { createTally } from "./tally.ts";

/** As many faults as each tier has time for. */
const BOUNDS = { first: 12, whole: 36 };

const all = ["btrfs", "ext4"] as const;
const fsTypes = isWholeTier() ? all : sampleFaults(all, 1, sampleSeed());

for (const fsType of fsTypes) {
  await t.test(
    `${fsType}: reading, writing or flushing fails once or for good`,
    async (t) => {
      const scratch = makeFastScratch(t, "io-errors");
      const disk = `${scratch}/disk`;
      const [scenario] = await makeScenarios(
        t,
        ["a new root over a former one"],
        fsType,
      );
      if (scenario === undefined) throw new Error("there is no scenario");
      const { cmdline, content: before } = scenario;
      const startOnce = () =>
        start(plainMachine, `${scratch}/machine`, cmdline);
      const look = (): Promise<DiskContent> => lookAtContent(disk, fsType);

      const startWell = () => {
        const { status, said } = startOnce();
        t.equal(status, 0, said);
      };
      const reference = await withCopy(scenario.disk, disk, () => {
        startWell();
        return look();
      });
      const expectation = { before, reference };
      await run(["cp", "--sparse=always", "--", scenario.disk, disk]);
      const counts = await countOperations(disk, scratch, startWell);
      const operations = (["read", "write", "flush"] as const).map(
        (operation) => ({ operation, count: counts[operation] }),
      );
      for (const { operation, count } of operations) {
        t.comment(`${operation}: ${String(count)} in a boot`);
        t.ok(count > 0, `${operation} was counted`);
      }
      const faults = operations.flatMap(({ operation, count }) =>
        Array.from({ length: count }, (_, index) => index + 1).flatMap((at) =>
          [false, true].map((lasts): DiskFault => ({ operation, at, lasts })),
        ),
      );

      const tally = createTally();
      const results: Record<string, number> = {};
      const inject = async (fault: DiskFault): Promise<void> => {
        await run(["cp", "--sparse=always", "--", scenario.disk, disk]);
        const { result: faulty, hasFired } = await withFaultyDisk(
          disk,
          scratch,
          fault,
          startOnce,
        );
        if (!hasFired) {
          tally.miss();
          return;
        }
        const result = faulty.record?.result ?? "none";
        results[result] = (results[result] ?? 0) + 1;
        fs.renameSync(disk, `${disk}-after`);
        const { operation, at, lasts } = fault;
        const name = `${operation} ${String(at)} ${lasts ? "and all that follow" : "alone"}`;
        await withCopy(`${disk}-after`, disk, async () => {
          const between = await look();
          const next = startOnce();
          tally.count(t, name, [
            ...judgeFaultyStart(expectation, faulty, between),
            ...judgeNextStart(
              { before: between, reference },
              next,
              await look(),
            ),
          ]);
        });
      };

      const { chosen, note } = choosePart([faults], BOUNDS);
      for (const fault of chosen) await inject(fault);
      tally.record(
        t,
        fsType === "btrfs" ? "I/O errors" : `I/O errors, ${fsType}`,
        note,
        ...Object.entries(results).map(
          ([result, count]) => `${String(count)} ${result}`,
        ),
      );
    },
  );
}
