import fs from "node:fs";
import path from "node:path";
import type { Test } from "tap";
import { executable } from "../binary/run-dockroot.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import { choosePart, wantedFaults } from "./campaign.ts";
import { sampleFaults } from "./choose-faults.ts";
import type { DeployBench } from "./deploy-bench.ts";
import { listCalls, type WatchedMachine } from "./deploy-calls.ts";
import type { DeployRun } from "./deploy-machine.ts";
import type { DeployScenario } from "./deploy-scenarios.ts";
import { withCopy } from "./disk-copy.ts";
import type { HelperCall } from "./faulty-helpers.ts";
import { judgeRun } from "./judge-deployments.ts";
import { createTally, wrong, type Problem } from "./tally.ts";

const BOUNDS = { firstPairs: 1, first: 3, whole: 60 };

/** What a boot, and its `finish`, may change besides. */
const OF_A_BOOT = /^(?:docker_rwlayer|\.dockroot\/docker_rwlayer)(?:\/|$)/;

/** In the directory of the machine. */
const BOOT = "boot --cmdline boot-cmdline --config boot-config";
const FINISH = { before: `dockroot ${BOOT}\n` };

/** One process stops at a call of a helper, until the other one has ended or waits for the disk's lock. */
interface Overlap {
  /** Shell that runs before both. */
  readonly before: string;
  /** The arguments of dockroot. */
  readonly stopped: string;
  readonly other: string;
}

/** A command for deployments while the disk is booted, and while that boot is finished. */
export async function runBesideBoot(
  t: Test,
  bench: DeployBench,
  machine: WatchedMachine,
  scenarios: readonly DeployScenario[],
): Promise<void> {
  const tally = createTally();
  const pairs = scenarios.flatMap((scenario) => {
    const command = scenario.command.join(" ");
    const overlaps: readonly (readonly [string, Overlap])[] = [
      ["finish beside it", { ...FINISH, stopped: command, other: "finish" }],
      ["it beside finish", { ...FINISH, stopped: "finish", other: command }],
      ["boot beside it", { before: "", stopped: command, other: BOOT }],
      ["it beside boot", { before: "", stopped: BOOT, other: command }],
    ];
    return overlaps.map(([name, overlap]) => ({ scenario, name, overlap }));
  });
  const isSample = !isWholeTier() && wantedFaults() === undefined;
  const tried = isSample
    ? sampleFaults(pairs, BOUNDS.firstPairs, sampleSeed())
    : pairs;
  const injections: (() => Promise<void>)[] = [];
  for (const { scenario, name, overlap } of tried) {
    const { before, stopped } = overlap;
    const options = await readNextOptions(bench, scenario);
    const prepare = `echo '${options}' >boot-cmdline\necho '{}' >boot-config\n${before}`;
    const calls = await listCalls(bench, machine, scenario, prepare, stopped);
    injections.push(
      ...calls.map((call) => async () => {
        const ran = { ...overlap, before: prepare };
        const problems = await meet(bench, machine, scenario, ran, call);
        tally.count(t, `${call.name}: ${name}`, problems);
      }),
    );
  }
  const { chosen, note } = choosePart(
    [injections],
    BOUNDS,
    // The same pairs come again after so many seeds.
    Math.ceil(pairs.length / tried.length),
  );
  for (const run of chosen) await run();
  tally.record(t, "deployments: beside a boot", note);
}

/** The kernel options of what boots next. */
function readNextOptions(
  bench: DeployBench,
  { disk }: DeployScenario,
): Promise<string> {
  return withCopy(disk, bench.disk, async () => {
    const { menu } = await bench.look();
    const next = menu.entries.find(({ n }) => n === menu.next);
    if (next === undefined) throw new Error("nothing of ours boots next");
    return next.options;
  });
}

function meet(
  bench: DeployBench,
  { helpers, command }: WatchedMachine,
  scenario: DeployScenario,
  { before, stopped, other }: Overlap,
  call: HelperCall,
): Promise<Problem[]> {
  const file = (name: string) =>
    path.join(path.dirname(helpers.callLog), `beside-${name}`);
  for (const name of ["once", "said", "status"]) {
    fs.rmSync(file(name), { force: true });
  }
  fs.writeFileSync(
    file("script"),
    `'${executable}' ${other} >'${file("said")}' 2>&1\necho "$?" >'${file("status")}'\n`,
  );
  // Calls of both are counted together: it may come to this one twice.
  helpers.arrangeCommands(
    `
if (set -C; : >'${file("once")}') 2>/dev/null; then
  '${helpers.real("setsid")}' '${helpers.real("sh")}' '${file("script")}' </dev/null >/dev/null 2>&1 &
  waits=
  until [ -s '${file("status")}' ] || [ "$waits" ]; do
    "$sleep" 0.05
    while read -r line; do case $line in *'->'*) waits=1 ;; esac; done </proc/locks
  done
fi`,
    call,
  );
  return withCopy(scenario.disk, bench.disk, async () => {
    const ran = bench.run(
      scenario,
      `${before}dockroot ${stopped}
[ ! -e '${file("once")}' ] || until [ -s '${file("status")}' ]; do sleep 0.05; done
[ ! -d /run/dockroot/toplevel ] || dockroot finish
`,
      { command },
    );
    return [
      ...(helpers.hasFired() ? judgeOther(file) : wrong(["no such call"])),
      ...judgeEnds(ran),
      ...(await bench.judge(scenario, {
        isSettled: true,
        mayChange: OF_A_BOOT,
      })),
    ];
  });
}

function judgeOther(file: (name: string) => string): Problem[] {
  const status = fs.readFileSync(file("status"), "utf8").trim();
  return status === "0"
    ? []
    : wrong([`the other one: ${fs.readFileSync(file("said"), "utf8")}`]);
}

function judgeEnds(ran: DeployRun): Problem[] {
  const failed = ran.tries.filter(({ status }) => status !== 0);
  return [
    ...judgeRun(ran),
    ...wrong(failed.map(({ command, said }) => `${command}: ${said}`)),
  ];
}
