import fs from "node:fs";
import path from "node:path";
import { copyDisk } from "../../fixtures/loop-disk.ts";
import { lookAt, type BootRecord } from "../root/boot-disk.ts";
import { RWLAYER } from "./boot-scenarios.ts";
import { readContent, type DiskContent } from "./disk-content.ts";
import type { PathState } from "./overlaps-process.ts";
import { withCopy } from "./disk-copy.ts";
import type { HelperWrappers } from "./helper-wrappers.ts";
import { readKnownDisk, type KnownDisk } from "./overlaps-disk.ts";
import type { Side } from "./overlaps-helpers.ts";
import type { End, Outcome } from "./overlaps-judge.ts";
import { startStagedMachine, type StagedMachine } from "./overlaps-machine.ts";
import {
  OTHER_RWLAYER,
  RUN_DIRECTORIES,
  type Pair,
  type Role,
  type RunDirectory,
  type Staging,
} from "./overlaps-pairs.ts";

/** Where overlaps are tried, one at a time. */
export interface Stand {
  readonly helpers: HelperWrappers;
  /** Theirs. */
  readonly directory: string;
  /** For what a machine has, and for the disk. */
  readonly scratch: string;
  readonly cmdline: string;
}

/** A machine before an overlap. */
export interface Ground {
  /** A disk that is not in use. */
  readonly disk: string;
  /** Files that boots have left, by run directory: their top level is mounted there. */
  readonly left: Partial<Record<RunDirectory, string>>;
}

/** What runs on the machine, and what it comes to. */
export interface Overlap {
  readonly outcome: Outcome;
  /** How far each came before either was released. */
  readonly standings: Readonly<Record<Side, PathState>>;
}

const LOOK = ["subvolid=5", "ro"];

const diskOf = ({ scratch }: Stand) => path.join(scratch, "disk");
const machineOf = ({ scratch }: Stand) => path.join(scratch, "machine");

/** Boots once more in a run directory, and leaves the machine as it is then. */
export async function addBoot(
  stand: Stand,
  ground: Ground,
  run: RunDirectory,
  disk: string,
): Promise<Ground & { readonly content: DiskContent }> {
  const files = `${disk}-${run}`;
  const content = await withMachine(stand, ground, async (machine) => {
    const role: Role = { command: "boot", run, rwlayer: RWLAYER };
    const { status, said } = await runToEnd(stand, machine, role);
    if (status !== 0) throw new Error(said);
    await machine.close();
    fs.cpSync(path.join(machineOf(stand), run), files, { recursive: true });
    const found = await lookAt(diskOf(stand), readContent, LOOK);
    await copyDisk(diskOf(stand), disk);
    return found;
  });
  return { disk, content, left: { ...ground.left, [run]: files } };
}

/**
 * Starts both and lets each come to its point, then the one go on as far as it gets, then the other.
 * @param next what is done with the machine's disk afterwards
 * @throws Error where a process does not get on
 */
export function overlap<T>(
  stand: Stand,
  ground: Ground,
  pair: Pair,
  { A, B, first }: Staging,
  next: (overlap: Overlap) => Promise<T>,
): Promise<T> {
  return withMachine(stand, ground, async (machine) => {
    const a = machine.start("A", argsOf(stand, pair.A), A);
    const standingOfA = await a.settle();
    const b = machine.start("B", argsOf(stand, pair.B), B);
    const standings = { A: standingOfA, B: await b.settle() };
    machine.release(first);
    await (first === "A" ? a : b).settle();
    machine.release(first === "A" ? "B" : "A");
    const [statusOfA, statusOfB] = [await a.end(), await b.end()];
    const ends = {
      A: { status: statusOfA, said: machine.said("A") },
      B: { status: statusOfB, said: machine.said("B") },
    };
    const outcome = await complete(stand, machine, pair, ends);
    return next({ outcome, standings });
  });
}

/** Lets the one come to its end, then the other. */
export function runInTurn(
  stand: Stand,
  ground: Ground,
  pair: Pair,
  [first, second]: readonly [Side, Side],
): Promise<Outcome> {
  return withMachine(stand, ground, async (machine) => {
    const one = await runToEnd(stand, machine, pair[first], first);
    const other = await runToEnd(stand, machine, pair[second], second);
    const ends = first === "A" ? { A: one, B: other } : { A: other, B: one };
    return complete(stand, machine, pair, ends);
  });
}

/** Finishes what is still mounted, and looks at all that there is then. */
async function complete(
  stand: Stand,
  machine: StagedMachine,
  pair: Pair,
  ends: Record<Side, End>,
): Promise<Outcome> {
  const events = [...machine.events];
  const at = machineOf(stand);
  const records: Partial<Record<RunDirectory, BootRecord>> = {};
  const finishes: End[] = [];
  for (const run of RUN_DIRECTORIES) {
    const file = path.join(at, run, "boot.json");
    if (fs.existsSync(file)) {
      records[run] = JSON.parse(fs.readFileSync(file, "utf8")) as BootRecord;
    }
    const mounts = machine.mountsBelow(path.join(at, run));
    if (!mounts.includes(path.join(at, run, "toplevel"))) continue;
    const role: Role = { command: "finish", run, rwlayer: RWLAYER };
    finishes.push(await runToEnd(stand, machine, role));
  }
  const leftRunning = await machine.running();
  const leftMounted = machine.mountsBelow(at);
  await machine.close();
  const rwlayers = [...new Set([pair.A.rwlayer, pair.B.rwlayer])];
  const disk: KnownDisk = await lookAt(
    diskOf(stand),
    (top) => readKnownDisk(top, rwlayers),
    LOOK,
  );
  return { ends, events, records, finishes, leftMounted, leftRunning, disk };
}

async function runToEnd(
  stand: Stand,
  machine: StagedMachine,
  role: Role,
  side: Side = "A",
): Promise<End> {
  const status = await machine.start(side, argsOf(stand, role)).end();
  return { status, said: machine.said(side) };
}

function argsOf(stand: Stand, { command, run, rwlayer }: Role): string[] {
  const file = (name: string) => path.join(machineOf(stand), name);
  const common = [command, "--run-dir", file(run)];
  return command === "finish"
    ? common
    : [
        ...[...common, "--cmdline", file(`cmdline-${rwlayer}`)],
        ...["--config", file("config.json")],
      ];
}

function withMachine<T>(
  stand: Stand,
  { disk, left }: Ground,
  work: (machine: StagedMachine) => Promise<T>,
): Promise<T> {
  return withCopy(disk, diskOf(stand), async (device) => {
    const at = machineOf(stand);
    fs.rmSync(at, { recursive: true, force: true });
    fs.mkdirSync(at);
    fs.writeFileSync(path.join(at, "config.json"), "{}");
    for (const rwlayer of [RWLAYER, OTHER_RWLAYER]) {
      const text = `${stand.cmdline} rootflags=subvol=${rwlayer}`;
      fs.writeFileSync(path.join(at, `cmdline-${rwlayer}`), text);
    }
    const mounts = RUN_DIRECTORIES.map((run) => {
      const files = left[run];
      if (files === undefined) {
        fs.mkdirSync(path.join(at, run));
        return "";
      }
      fs.cpSync(files, path.join(at, run), { recursive: true });
      const top = path.join(at, run, "toplevel");
      return `'${stand.helpers.real("mount")}' -t btrfs -o rw,subvolid=5,noatime '${device}' '${top}' || exit\n`;
    });
    const machine = await startStagedMachine(
      stand.helpers,
      stand.directory,
      mounts.join(""),
    );
    try {
      return await work(machine);
    } finally {
      await machine.close();
    }
  });
}
