// runner: tier=first seconds=55 whole=360 needs=machine
import path from "node:path";
import t, { type Test } from "tap";
import { cutIntoPieces, findCrashPoint } from "../../fixtures/crash-points.ts";
import { makeCrashedDisk } from "../../fixtures/crashed-disk.ts";
import { copyDisk } from "../../fixtures/loop-disk.ts";
import { startAfterCut } from "./crashed-start.ts";
import { createCutBench, type Cut, type CutBench } from "./cut-bench.ts";
import { makeFastScratch } from "./disk-copy.ts";
import { runPowerCuts } from "./power-cut-campaign.ts";
import {
  cutFirstStart,
  KEPT,
  readKeptStart,
  readPowerCut,
  setUpPowerCut,
  type PowerCutSetup,
} from "./power-cut-setup.ts";

/**
 * One boot of a computer is recorded at the block layer. Then its power fails again and again, each
 * time at another point of the record; the disk that is left is looked at and started from.
 *
 * In the first tier these are a few dozen cuts, other ones for each seed of the sample.
 * FAULTS=n: so many cuts; 1,000 or more are a full run. FAULT=NAME: this one alone, on the records
 * that the last run kept, as `prefix:137`, `prefix:137/machine` or `prefix:137/subset:33:5`.
 */

const only = process.env["FAULT"] ?? "";

await t.test(
  "a computer survives a power failure at any point of its boot",
  async (t) => {
    const setup = await (only === "" ? setUpPowerCut(t) : readPowerCut());
    const fast = makeFastScratch(t, "power-cut");
    const bench = createCutBench(t, fast, setup.label, setup.expectation);
    await (only === ""
      ? runPowerCuts(t, setup, bench, fast)
      : tryAgain(t, setup, bench, fast));
  },
);

/** Tries one cut and leaves its disk: `cut.img` and, started from, `started.img`. */
async function tryAgain(
  t: Test,
  setup: PowerCutSetup,
  bench: CutBench,
  directory: string,
): Promise<void> {
  const { base, before } = setup;
  const [firstName = "", then] = only.split("/");
  const point = findCrashPoint(cutIntoPieces(setup.first.requests), firstName);
  let cut: Cut = cutFirstStart(setup, point);
  const first = await bench.survive(cut);
  const problems = [...first.problems];
  if (then === "machine") {
    const disk = path.join(directory, "sample.img");
    await startAfterCut(setup, point, disk, "again");
  } else if (then !== undefined) {
    const former = path.join(directory, "former.img");
    await makeCrashedDisk(base, point.pieces, former);
    const { requests, promises } = await readKeptStart(firstName);
    const second = findCrashPoint(cutIntoPieces(requests), then);
    cut = {
      ...{ point: second, former, promises },
      before: first.crashed ?? before,
    };
    problems.push(...(await bench.survive(cut)).problems);
  }
  await makeCrashedDisk(
    cut.former,
    cut.point.pieces,
    path.join(KEPT, "cut.img"),
  );
  await copyDisk(bench.disk, path.join(KEPT, "started.img"));
  t.strictSame(problems, [], only);
}
