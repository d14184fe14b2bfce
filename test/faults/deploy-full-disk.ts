import fs from "node:fs";
import type { Test } from "tap";
import { lookAt } from "../root/boot-disk.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import { countFaults } from "./campaign.ts";
import type { DeployBench } from "./deploy-bench.ts";
import { commandOf, type DeployScenario } from "./deploy-scenarios.ts";
import { withCopy } from "./disk-copy.ts";
import {
  chooseSizes,
  fillDisk,
  fillings,
  giveBack,
  relieve,
} from "./full-disk.ts";
import { judgeRun } from "./judge-deployments.ts";
import { createTally, wrong } from "./tally.ts";

const BOUNDS = { first: 5, whole: 60 };

/** Each command on a disk that is full, but for more and more: it is done, or changes nothing that matters. */
export async function failWithoutRoom(
  t: Test,
  bench: DeployBench,
  scratch: string,
  scenarios: readonly DeployScenario[],
): Promise<void> {
  const tally = createTally();
  const first = sampleSeed() % scenarios.length;
  const places = isWholeTier() ? scenarios : scenarios.slice(first, first + 1);
  const wanted = countFaults(BOUNDS);
  const results = { done: 0, refused: 0 };
  for (const scenario of places) {
    for (const filling of fillings.btrfs) {
      const full = `${scratch}/full`;
      const order = await fillDisk(t, scenario.disk, full, filling);
      const enough = Math.min(filling.enough, order.length);
      const count = wanted / places.length / fillings.btrfs.length;
      for (const given of chooseSizes(enough, count)) {
        await withCopy(full, bench.disk, async () => {
          await giveBack(bench.disk, order, given);
          const ran = bench.run(scenario, commandOf(scenario));
          const isDone = ran.tries[0]?.status === 0;
          results[isDone ? "done" : "refused"] += 1;
          await lookAt(bench.disk, relieve, ["subvolid=5"]);
          tally.count(
            t,
            `${scenario.name}, ${filling.what}, ${String(given)} of ${String(order.length)} pieces free`,
            [
              ...judgeRun(ran),
              ...(given < enough || isDone ? [] : wrong([ran.said])),
              ...(await bench.judge(scenario)),
            ],
          );
        });
      }
      fs.rmSync(full);
    }
  }
  tally.record(
    t,
    "deployments: no space",
    `${String(results.done)} done, ${String(results.refused)} refused`,
  );
}
