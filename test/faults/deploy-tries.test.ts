// runner: tier=first seconds=45 whole=900
import fs from "node:fs";
import path from "node:path";
import t from "tap";
import { parseBlockWriteLog } from "../../fixtures/block-write-log.ts";
import {
  cutIntoPieces,
  listCrashPoints,
  type CrashPoint,
  type Piece,
} from "../../fixtures/crash-points.ts";
import { makeCrashedDisk } from "../../fixtures/crashed-disk.ts";
import { run } from "../../fixtures/run.ts";
import type { Deployment } from "../../runtime/records/deployments.ts";
import { lookAt, rehearse } from "../root/boot-disk.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import { countFaults } from "./campaign.ts";
import { NEXT_COMMAND } from "./deploy-bench.ts";
import {
  requireDone,
  runOnMachine,
  type DeployMachine,
} from "./deploy-machine.ts";
import { commandOf, makeDeployScenarios } from "./deploy-scenarios.ts";
import { makeFastScratch, withCopy } from "./disk-copy.ts";
import { recordWrites } from "./faulty-disk.ts";
import { plainMachine } from "./faulty-start.ts";
import {
  judgeNext,
  readDeploySight,
  type DeploySight,
} from "./judge-deployments.ts";
import { createTally, lost, wrong, type Problem } from "./tally.ts";

/**
 * The power fails while the boots of a candidate are counted, while one is given back, and while one is confirmed. The
 * disk that is left is booted as its menu has it, and then its user goes on.
 */

const BOUNDS = { first: 10, whole: 330 };

const RWLAYER = "docker_rwlayer";

/** The deployment that is a candidate. */
const CANDIDATE = 4;

const scratch = makeFastScratch(t, "deploy-tries");
const [scenario] = await makeDeployScenarios(t, [
  "a switch, with which the oldest goes",
]);
if (scenario === undefined) throw new Error("there is no scenario");
const { machine } = scenario;
/** Where a disk is that is in use. */
const disk = path.join(scratch, "disk");

interface Sight extends DeploySight {
  readonly candidate: Deployment | undefined;
  /** The UUID of the root that was made last. */
  readonly root: string | undefined;
}

function look(): Promise<Sight> {
  return lookAt(
    disk,
    async (top) => {
      const sight = await readDeploySight(top);
      const list = await run(["btrfs", "subvolume", "list", "-u", top]);
      return {
        ...sight,
        candidate: sight.state?.deployments.find(({ n }) => n === CANDIDATE),
        root: new RegExp(` uuid (\\S+) path ${RWLAYER}$`, "m").exec(list)?.[1],
      };
    },
    ["subvolid=5", "ro"],
  );
}

/** The kernel options of what the menu has next. */
function nextOf({ menu }: DeploySight): string {
  const entry = menu.entries.find(({ n }) => n === menu.next);
  if (entry === undefined) throw new Error("the menu boots nothing of ours");
  return entry.options;
}

/** @returns boot.json */
function boot(options: string, onRooted = (): void => undefined): string {
  const place = { scratch, label: machine.label };
  const last = `${options} dockroot.fallback=last`;
  const started = rehearse(t, place, RWLAYER, last);
  const { status, stderr } = started.boot();
  if (status !== 0) throw new Error(stderr);
  onRooted();
  const file = path.join(started.runDirectory, "boot.json");
  const record = fs.readFileSync(file, "utf8");
  const finished = started.finish();
  if (finished.status !== 0) throw new Error(finished.stderr);
  return record;
}

function runOn(booted: DeployMachine, script: string) {
  const directory = path.join(scratch, "machine");
  return runOnMachine(plainMachine, directory, booted, script);
}

/** What is cut: something that was done with a disk. */
interface Recorded {
  readonly name: string;
  readonly former: string;
  readonly pieces: readonly Piece[];
  /** When so many requests are completed, it is durable. */
  readonly endedAt: number;
  readonly before: Sight;
  readonly after: Sight;
}

const records: Recorded[] = [];

/** @param work notes when all that it promises is durable */
async function record(
  name: string,
  former: string,
  work: (before: Sight, log: string, noteEnd: (log: string) => void) => void,
): Promise<string> {
  const before = await withCopy(former, disk, look);
  await run(["cp", "--sparse=always", "--", former, disk]);
  let endedAt = 0;
  const { requests } = await recordWrites(disk, scratch, (log) => {
    work(before, log, (atEnd) => {
      endedAt = parseBlockWriteLog(fs.readFileSync(atEnd)).length;
    });
  });
  const file = path.join(scratch, name);
  fs.renameSync(disk, file);
  const after = await withCopy(file, disk, look);
  const pieces = cutIntoPieces(requests);
  records.push({ name, former, pieces, endedAt, before, after });
  return file;
}

async function recordBoot(name: string, former: string) {
  let booted = "";
  const file = await record(name, former, (before, log, noteEnd) => {
    booted = boot(nextOf(before), () => {
      noteEnd(log);
    });
  });
  return { file, machine: { ...machine, record: booted } };
}

/** @param booted the disk, and the machine that has booted it */
function recordCommand(
  name: string,
  booted: { readonly file: string; readonly machine: DeployMachine },
  script: string,
): Promise<string> {
  return record(name, booted.file, (_before, log, noteEnd) => {
    // Before it is unmounted, which writes, too.
    const copy = path.join(scratch, "log-at-end");
    requireDone(runOn(booted.machine, `${script}cp '${log}' '${copy}'\n`));
    noteEnd(copy);
  });
}

const deployed = path.join(scratch, "deployed");
await withCopy(scenario.disk, disk, async () => {
  requireDone(runOn(machine, commandOf(scenario)));
  fs.copyFileSync(disk, deployed);
  return Promise.resolve();
});
const first = await recordBoot("a boot is counted", deployed);
await recordCommand(
  "it is given back",
  first,
  "touch /run/dockroot/counted\ndockroot confirm --give-back\n",
);
await recordCommand("it is confirmed", first, "dockroot confirm\n");
const usedUp = path.join(scratch, "used up");
await withCopy(first.file, disk, async () => {
  const options = nextOf(await look());
  for (const _ of [2, 3]) boot(options);
  fs.copyFileSync(disk, usedUp);
});
const last = await recordBoot("no boot is left", usedUp);
await recordCommand(
  "another one runs in its place",
  last,
  "dockroot confirm\n",
);

await t.test("a boot is counted once, and given back once", async (t) => {
  const told = records.map(({ name, before, after }) => [
    ...[name, tell(before), tell(after)],
  ]);
  t.strictSame(told, [
    ["a boot is counted", "candidate, 3 left", "candidate, 2 left"],
    ["it is given back", "candidate, 2 left", "candidate, 3 left"],
    ["it is confirmed", "candidate, 2 left", "good"],
    ["no boot is left", "candidate, 0 left", "bad"],
    ["another one runs in its place", "bad", "bad"],
  ]);
  return Promise.resolve();
});

function tell({ candidate }: Sight): string {
  const { state = "nothing", tries = null } = candidate ?? {};
  return state === "candidate"
    ? `${state}, ${String(tries?.left)} left`
    : state;
}

/** What is wrong with what a cut has left. */
function judge(
  { before, after, endedAt }: Recorded,
  point: CrashPoint,
  sight: Sight,
): Problem[] {
  const isDone = tell(sight) === tell(after);
  const isMade = sight.root !== before.root;
  return [
    ...lost(sight.broken),
    ...wrong([
      ...(isDone || tell(sight) === tell(before) ? [] : [tell(sight)]),
      ...(point.requests >= endedAt && !isDone
        ? ["what was done is not durable"]
        : []),
      ...(isMade && !isDone
        ? ["its root is there, and it is not counted"]
        : []),
    ]),
  ];
}

/** What is wrong with the next boot, and with the next commands. */
async function goOn(sight: Sight): Promise<Problem[]> {
  const booted = boot(nextOf(sight));
  const { result, deployment } = JSON.parse(booted) as {
    readonly result: string;
    readonly deployment: number;
  };
  const { candidate } = await look();
  const left = sight.candidate?.tries?.left ?? 0;
  const isCounted = sight.candidate?.state === "candidate";
  const expected = isCounted
    ? left === 0
      ? ["fallback", 3, "bad"]
      : ["fresh", CANDIDATE, `candidate, ${String(left - 1)} left`]
    : sight.candidate?.state === "good"
      ? ["fresh", CANDIDATE, "good"]
      : [sight.menu.next === CANDIDATE ? "fallback" : "fresh", 3, "bad"];
  const actual = [result, deployment, tell({ ...sight, candidate })];
  const ran = runOn(
    { ...machine, record: booted },
    `dockroot confirm\ndockroot ${NEXT_COMMAND}\n`,
  );
  const settled = await look();
  return [
    ...judgeNext(ran),
    ...lost(settled.broken),
    ...wrong([
      ...(String(actual) === String(expected)
        ? []
        : [`then ${String(actual)}, not ${String(expected)}`]),
      ...(settled.menu.next === settled.state?.next
        ? []
        : [`next is ${String(settled.menu.next)}`]),
    ]),
  ];
}

await t.test("the power fails at any write", async (t) => {
  const tally = createTally();
  const seed = isWholeTier() ? 0 : sampleSeed();
  const wanted = countFaults(BOUNDS);
  let all = 0;
  for (const recorded of records) {
    const { name, former, pieces } = recorded;
    all += pieces.length + 1;
    let taken = 0;
    for (const point of listCrashPoints(pieces, seed)) {
      if (taken >= wanted / records.length) break;
      taken += 1;
      const crashed = path.join(scratch, "crashed");
      await makeCrashedDisk(former, point.pieces, crashed);
      const problems = await withCopy(crashed, disk, async () => {
        try {
          const sight = await look();
          return [...judge(recorded, point, sight), ...(await goOn(sight))];
        } catch (error) {
          return lost([String(error)]);
        }
      });
      tally.count(t, `${name}, ${point.name}`, problems);
    }
  }
  tally.record(
    t,
    "deployments: power cuts while boots are counted",
    `of ${String(all)} prefixes, seed ${String(seed)}`,
  );
});
