// runner: tier=first seconds=60 whole=400
import fs from "node:fs";
import t from "tap";
import {
  cutIntoPieces,
  listCrashPoints,
  type CrashPoint,
} from "../../fixtures/crash-points.ts";
import { parseBlockWriteLog } from "../../fixtures/block-write-log.ts";
import { makeCrashedDisk } from "../../fixtures/crashed-disk.ts";
import { createRandom } from "../../fixtures/random.ts";
import { run } from "../../fixtures/run.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import { choosePart, wantedFaults } from "./campaign.ts";
import { createDeployBench, NEXT_COMMAND } from "./deploy-bench.ts";
import { listCalls, makeWatchedMachine } from "./deploy-calls.ts";
import {
  commandOf,
  deployNames,
  makeDeployScenarios,
  type DeployScenario,
} from "./deploy-scenarios.ts";
import { makeFastScratch, withCopy } from "./disk-copy.ts";
import { recordWrites } from "./faulty-disk.ts";
import type { HelperCall } from "./faulty-helpers.ts";
import { judgeRun } from "./judge-deployments.ts";
import { ATTACKS, type Attack } from "./kill-plan.ts";
import { createTally, wrong, type Problem } from "./tally.ts";

const BOUNDS = {
  kills: { first: 7, whole: 120 },
  cuts: { first: 6, whole: 120 },
};
const KILLS: readonly Attack[] = [
  "SIGKILL to dockroot",
  "SIGKILL to its process group",
  "SIGINT to its process group",
  "SIGTERM to dockroot",
  "SIGKILL to a helper",
];
/** Prime to the number of attacks. */
const STRIDE = 3;

interface Injection {
  readonly name: string;
  readonly run: () => Promise<Problem[]>;
}

const scratch = makeFastScratch(t, "deploy-interruptions");
const watched = makeWatchedMachine(t);
const { helpers, programs } = watched;
const scenarios = await makeDeployScenarios(t);
const bench = await createDeployBench(scratch, scenarios);

await t.test("a command for deployments is ended at any moment", async (t) => {
  const tally = createTally();
  const injections: Injection[] = [];
  for (const scenario of scenarios) await plan(scenario);
  const { chosen, note } = choosePart([injections], BOUNDS.kills);
  for (const { name, run } of chosen) tally.count(t, name, await run());
  tally.record(t, "deployments: kills", note);

  /** At each call of a helper, before and after its work, and in between. */
  async function plan(scenario: DeployScenario): Promise<void> {
    const startMs = performance.now();
    const calls = await listCalls(bench, watched, scenario);
    const lengthMs = performance.now() - startMs;
    t.comment(`${scenario.name}: ${String(calls.length)} calls of helpers`);
    for (const call of calls) {
      for (const edge of ["begin", "end"] as const) {
        const attack = KILLS[(injections.length * STRIDE) % KILLS.length];
        if (attack === undefined) throw new Error("there is no attack");
        const isAgain = injections.length % 2 === 0;
        injections.push({
          name: `${call.name}, ${edge}: ${attack}${isAgain ? ", again at once" : ""}`,
          run: () => killAtCall(scenario, attack, call, edge, isAgain),
        });
      }
      const random = createRandom(injections.length);
      const delayMs = random.fraction() * lengthMs;
      injections.push({
        name: `${scenario.name}, after ${delayMs.toFixed(0)} ms`,
        run: () => killAfter(scenario, delayMs),
      });
    }
  }
});

async function killAtCall(
  scenario: DeployScenario,
  attack: Attack,
  call: HelperCall,
  edge: "begin" | "end",
  isAgain: boolean,
): Promise<Problem[]> {
  const file = `${scratch}/attack`;
  fs.writeFileSync(file, `${ATTACKS[attack]}\n`);
  const begin = `(PATH='${programs}'; setsid sh '${file}' "$PPID" "$$" </dev/null >/dev/null 2>&1)`;
  const isBegin = edge === "begin" || attack === "SIGKILL to a helper";
  helpers.arrangeCommands(
    isBegin ? begin : `"$real" "$@"; status=$?; ${begin}; exit "$status"`,
    call,
  );
  return withCopy(scenario.disk, bench.disk, async () => {
    const again = isAgain ? `dockroot ${NEXT_COMMAND}\n` : "exit\n";
    const ran = bench.run(scenario, `${commandOf(scenario)}${again}`, watched);
    const next = ran.tries[1];
    return [
      ...(helpers.hasFired() ? [] : wrong(["there was no such call"])),
      ...(isAgain ? judgeRun(ran) : []),
      ...(next === undefined || next.status === 0
        ? []
        : wrong([`at once ${next.command} fails: ${next.said}`])),
      ...(await bench.judge(scenario, { isSettled: isAgain })),
    ];
  });
}

function killAfter(
  scenario: DeployScenario,
  delayMs: number,
): Promise<Problem[]> {
  return withCopy(scenario.disk, bench.disk, () => {
    const seconds = (delayMs / 1000).toFixed(3);
    bench.run(
      scenario,
      `begin ${scenario.command.join(" ")}\nsleep ${seconds}; kill -KILL "$pid"; exit\n`,
    );
    return bench.judge(scenario);
  });
}

await t.test("the power fails at any write", async (t) => {
  const tally = createTally();
  const { first, whole } = BOUNDS.cuts;
  const seed = isWholeTier() ? 0 : sampleSeed();
  const places = isWholeTier()
    ? scenarios
    : [0, 1, 2].flatMap((index) => {
        const at = (seed + index * 2) % deployNames.length;
        return scenarios.slice(at, at + 1);
      });
  const bound = wantedFaults() ?? (isWholeTier() ? whole : first);
  const count = bound / places.length;
  let all = 0;
  for (const scenario of places) {
    const record = await recordCommand(scenario);
    const pieces = cutIntoPieces(record.requests);
    all += pieces.length + 1;
    let taken = 0;
    for (const point of listCrashPoints(pieces, seed)) {
      if (taken >= count) break;
      taken += 1;
      tally.count(
        t,
        `${scenario.name}, ${point.name}`,
        await cut(scenario, point, record.endedAt),
      );
    }
  }
  tally.record(
    t,
    "deployments: power cuts",
    `of ${String(all)} prefixes, seed ${String(seed)}`,
  );
});

interface RecordedCommand {
  readonly requests: ReturnType<typeof parseBlockWriteLog>;
  /** How many of them were completed when the command had ended. */
  readonly endedAt: number;
}

async function recordCommand(
  scenario: DeployScenario,
): Promise<RecordedCommand> {
  await run(["cp", "--sparse=always", "--", scenario.disk, bench.disk]);
  const { requests, result } = await recordWrites(
    bench.disk,
    scratch,
    (log) => {
      const { tries, said } = bench.run(
        scenario,
        `${commandOf(scenario)}cp '${log}' '${scratch}/log-at-end'\n`,
      );
      if (tries[0]?.status !== 0) throw new Error(said);
      return parseBlockWriteLog(fs.readFileSync(`${scratch}/log-at-end`))
        .length;
    },
  );
  fs.rmSync(bench.disk);
  return { requests, endedAt: result };
}

async function cut(
  scenario: DeployScenario,
  { pieces, requests }: CrashPoint,
  endedAt: number,
): Promise<Problem[]> {
  const crashed = `${scratch}/crashed`;
  await makeCrashedDisk(scenario.disk, pieces, crashed);
  return withCopy(crashed, bench.disk, async () => {
    const { menu } = await bench.look();
    const isLost = requests >= endedAt && menu.next !== scenario.next.at(-1);
    return [
      ...(isLost ? wrong(["what the command did is not durable"]) : []),
      ...(await bench.judge(scenario)),
    ];
  });
}
