// runner: tier=all seconds=900 needs=machine
import fs from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import {
  cutIntoPieces,
  listCrashPoints,
  type CrashPoint,
  type Piece,
} from "../../fixtures/crash-points.ts";
import { makeCrashedDisk } from "../../fixtures/crashed-disk.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import { countFaults } from "./campaign.ts";
import { NEXT_COMMAND } from "./deploy-bench.ts";
import type { DeployMachine } from "./deploy-machine.ts";
import { makeDeployScenarios } from "./deploy-scenarios.ts";
import { makeFastScratch } from "./disk-copy.ts";
import { startEspGuest, type EspGuest } from "./esp-guest.ts";
import {
  checkEsp,
  isOnEsp,
  ESP_LOADERS,
  judgeEsp,
  judgeEspSettled,
  lookAtEsp,
  makeEspMachine,
  type EspLoader,
  type EspSight,
} from "./esp-machine.ts";
import { failUnwritable } from "./esp-unwritable.ts";
import { judgeFaultyDeploy, judgeNext, judgeRun } from "./judge-deployments.ts";
import { createTally, lost, wrong, type Problem } from "./tally.ts";

/**
 * A machine whose menu is on an EFI system partition, in QEMU: this machine's kernel may not have vfat.
 * Its commands are recorded at the block layer, then the power fails at points of the record.
 */

/** Cuts after a write to the partition: those after the others are tried on a btrfs alone. */
const BOUNDS = { first: 22, whole: 240 };
/** After each of so many cuts an upgrade follows in the guest. */
const CUTS_PER_UPGRADE = 15;

/** The candidate that the second one makes has its boots counted; it runs where they are given back and confirmed. */
const COMMANDS = [
  { args: "upgrade next:1 --pull=never" },
  { args: "switch next:2 --pull=never" },
  { args: "confirm --give-back", running: 3 },
  { args: "confirm", running: 3 },
  { args: "rollback 1" },
  { args: "remove 3" },
] as const;

/** A command as it was done, on a disk. */
interface Recorded {
  readonly name: string;
  readonly loader: EspLoader;
  /** The disk before it. */
  readonly former: string;
  readonly pieces: readonly Piece[];
  readonly before: EspSight;
  readonly after: EspSight;
}

const scratch = makeFastScratch(t, "deploy-esp");
const [scenario] = await makeDeployScenarios(t, [
  "the first upgrade, of what runs",
]);
if (scenario === undefined) throw new Error("there is no scenario");
const { machine } = scenario;
const bases = new Map<EspLoader, string>();
for (const loader of ESP_LOADERS) {
  const base = path.join(scratch, `base-${loader.name}`);
  await makeEspMachine(scenario, loader, base);
  bases.set(loader, base);
}
const sizeBytes = Math.max(
  ...[...bases.values()].map((base) => fs.statSync(base).size),
);
const guest = await startEspGuest(t, scratch, sizeBytes);
const records: Recorded[] = [];

for (const loader of ESP_LOADERS) {
  await t.test(`deployments of ${loader.name}`, async (t) => {
    // As a machine without a clock has it. To FAT nothing is older than 1980.
    if (loader.name === "refind") await guest.shell("date --set=@86400");
    await record(t, guest, loader);
  });
}

async function record(
  t: Test,
  { insert, copyTo, requests, run }: EspGuest,
  loader: EspLoader,
): Promise<void> {
  let former = bases.get(loader) ?? "";
  await insert(former);
  let before = await lookAtEsp(former, loader);
  for (const [index, { args, ...command }] of COMMANDS.entries()) {
    const begin = requests().length;
    const flags = index === 0 ? ` --loader ${loader.name}` : "";
    const booted = "running" in command ? bootedAs(command.running) : machine;
    const ran = await run(
      booted,
      `touch /run/dockroot/counted\ndockroot ${args}${flags}\n`,
    );
    t.equal(ran.tries[0]?.status, 0, `${args}: ${ran.said}`);
    const pieces = cutIntoPieces(requests().slice(begin));
    const name = `${loader.name}, ${args}`;
    t.comment(`${name}: ${String(pieces.length)} pieces`);
    const disk = path.join(scratch, `${loader.name}-${String(index)}`);
    await copyTo(disk);
    const after = await lookAtEsp(disk, loader);
    const problems = [...judgeEspSettled(before, after), ...judgeRun(ran)];
    t.strictSame(problems, [], name);
    records.push({ name, loader, former, pieces, before, after });
    former = disk;
    before = after;
  }
}

/** The machine that has booted this deployment. */
function bootedAs(deployment: number): DeployMachine {
  const record = JSON.parse(machine.record ?? "") as object;
  return { ...machine, record: JSON.stringify({ ...record, deployment }) };
}

async function cut(
  { loader, former, before, after }: Recorded,
  point: CrashPoint,
  isChecked: boolean,
  isUpgraded: boolean,
): Promise<Problem[]> {
  const crashed = path.join(scratch, "crashed");
  await makeCrashedDisk(former, point.pieces, crashed);
  try {
    if (isChecked) await checkEsp(crashed);
    // What is looked at is mounted, and written to.
    if (isUpgraded) await guest.insert(crashed);
    const sight = await lookAtEsp(crashed, loader);
    const isLost =
      point.requests === Infinity && sight.menu.next !== after.menu.next;
    return [
      ...judgeEsp(loader, sight),
      ...judgeFaultyDeploy(expectationOf(before, after), before, sight),
      ...(isLost ? wrong(["what the command did is not durable"]) : []),
      ...(isUpgraded ? await upgradeAgain(loader, before) : []),
    ];
  } catch (error) {
    return lost([`it cannot be read: ${String(error)}`]);
  }
}

/** What the command may change, by what it has changed where nothing went wrong. */
function expectationOf(
  before: EspSight,
  after: EspSight,
): { mayGo: number[]; next: number[] } {
  const left = new Set(after.menu.entries.map(({ n }) => n));
  const mayGo = before.menu.entries
    .map(({ n }) => n)
    .filter((n) => !left.has(n));
  // The first one makes what runs a deployment, too, which boots next meanwhile.
  const meanwhile = before.menu.entries.length === 0 ? [1] : [];
  const { next } = after.menu;
  return { mayGo, next: [...meanwhile, ...(next === undefined ? [] : [next])] };
}

async function upgradeAgain(
  loader: EspLoader,
  before: EspSight,
): Promise<Problem[]> {
  const flags = `--loader ${loader.name}`;
  const ran = await guest.run(machine, `dockroot ${NEXT_COMMAND} ${flags}\n`);
  const disk = path.join(scratch, "upgraded");
  await guest.copyTo(disk);
  return [
    ...judgeNext(ran),
    ...judgeEspSettled(before, await lookAtEsp(disk, loader)),
    ...judgeEsp(loader, await lookAtEsp(disk, loader)),
  ];
}

await t.test("$BOOT cannot be written to", async (t) => {
  const [loader] = ESP_LOADERS;
  const [, upgrade, , confirm] = records;
  if (!loader || !upgrade || !confirm) throw new Error("it was not recorded");
  await failUnwritable(t, { guest, scratch, loader }, [
    { ...upgrade, machine, args: COMMANDS[1].args },
    { ...confirm, machine: bootedAs(3), args: COMMANDS[3].args },
  ]);
});

await t.test("the power fails at any write", async (t) => {
  const tally = createTally();
  const seed = isWholeTier() ? 0 : sampleSeed();
  const wanted = countFaults(BOUNDS);
  let all = 0;
  let taken = 0;
  let upgrades = 0;
  for (const recorded of records) {
    const count = recorded.pieces.filter(isOnEsp).length;
    all += count;
    const end = taken + Math.min(wanted / records.length, 2 * count);
    for (const point of listCrashPoints(recorded.pieces, seed)) {
      if (taken >= end) break;
      const last = point.pieces.at(-1);
      if (last === undefined || !isOnEsp(last)) continue;
      taken += 1;
      const isChecked = taken % 2 === 0;
      const isUpgraded = taken % CUTS_PER_UPGRADE === 0;
      if (isUpgraded) upgrades += 1;
      tally.count(
        t,
        `${recorded.name}, ${point.name}${isChecked ? ", checked" : ""}`,
        await cut(recorded, point, isChecked, isUpgraded),
      );
    }
  }
  tally.record(
    t,
    "deployments: power cuts on an ESP",
    `of ${String(all)} prefixes that end there, seed ${String(seed)}, ${String(upgrades)} followed by an upgrade in the guest`,
  );
});
