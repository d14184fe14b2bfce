// runner: tier=first seconds=75 whole=900
import fs from "fs-extra";
import t from "tap";
import { run } from "../../fixtures/run.ts";
import { lookAt } from "../root/boot-disk.ts";
import { choosePart, createSampler } from "./campaign.ts";
import { createDeployBench, NEXT_COMMAND } from "./deploy-bench.ts";
import {
  listCalls,
  makeWatchedMachine,
  type DeployStep,
} from "./deploy-calls.ts";
import { runBesideBoot } from "./deploy-beside-boot.ts";
import { failWithoutRoom } from "./deploy-full-disk.ts";
import { failReadOnly } from "./deploy-read-only.ts";
import {
  commandOf,
  makeDeployScenarios,
  type DeployName,
  type DeployScenario,
} from "./deploy-scenarios.ts";
import { STRANGERS } from "./deploy-strangers.ts";
import { makeFastScratch, withCopy } from "./disk-copy.ts";
import {
  countOperations,
  withFaultyDisk,
  type DiskFault,
} from "./faulty-disk.ts";
import type { Fault } from "./faulty-helpers.ts";
import { judgeRun } from "./judge-deployments.ts";
import { createTally, wrong, type Problem } from "./tally.ts";
import { describeChanges, readWholeDisk } from "./whole-disk.ts";

const BOUNDS = {
  helpers: { first: 6, whole: 120 },
  disk: { first: 4, whole: 40 },
};
const FAULTS: readonly Fault[] = [
  "fails before its work",
  "fails after its work",
  "is killed after its work",
  "says garbage",
  "does nothing and succeeds",
];
const BESIDE_BOOT: readonly DeployName[] = [
  "a switch, with which the oldest goes",
  "a rollback",
  "a collection",
];
/** Prime to the number of faults. */
const STRIDE = 3;
const WRITABLE = ["subvolid=5"];

interface Injection {
  readonly name: string;
  readonly run: () => Promise<Problem[]>;
}

const scratch = makeFastScratch(t, "deploy-failures");
const watched = makeWatchedMachine(t);
const { helpers } = watched;
const scenarios = await makeDeployScenarios(t);
const bench = await createDeployBench(scratch, scenarios);

const steps: DeployStep[] = [];
for (const scenario of scenarios) {
  const calls = await listCalls(bench, watched, scenario);
  steps.push(...calls.map((call) => ({ scenario, call })));
}

function find(name: DeployScenario["name"]): DeployScenario {
  const found = scenarios.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no scenario is called ${name}`);
  return found;
}

await t.test("a helper fails", async (t) => {
  const tally = createTally();
  const injections: Injection[] = [];
  for (const { scenario, call } of steps) {
    const fault = FAULTS[(injections.length * STRIDE) % FAULTS.length];
    if (fault === undefined) throw new Error("there is no fault");
    // The lock's helper does not answer then: it is waited for.
    const isWaited = call.work === "flock" && /says|nothing/.test(fault);
    if (isWaited) continue;
    injections.push({
      name: `${call.name} ${fault}`,
      run: () =>
        withCopy(scenario.disk, bench.disk, async () => {
          helpers.arrange(fault, call);
          const ran = bench.run(scenario, commandOf(scenario), watched);
          return [
            ...(helpers.hasFired() ? [] : wrong(["there was no such call"])),
            // What could not be unmounted stays.
            ...judgeRun(call.work === "umount" ? { ...ran, left: [] } : ran),
            ...(await bench.judge(scenario)),
          ];
        }),
    });
  }
  const { chosen, note } = choosePart([injections], BOUNDS.helpers);
  for (const { name, run } of chosen) tally.count(t, name, await run());
  tally.record(t, "deployments: helpers", note);
});

await t.test("the disk fails", async (t) => {
  const tally = createTally();
  const scenario = find("a switch, with which the oldest goes");
  await run(["cp", "--sparse=always", "--", scenario.disk, bench.disk]);
  const counts = await countOperations(bench.disk, scratch, () => {
    bench.run(scenario, commandOf(scenario));
  });
  const faults = (["read", "write", "flush"] as const).flatMap((operation) =>
    Array.from({ length: counts[operation] }, (_, index) => index + 1).flatMap(
      (at) =>
        [false, true].map((lasts): DiskFault => ({ operation, at, lasts })),
    ),
  );
  const { chosen, note } = choosePart([faults], BOUNDS.disk);
  for (const fault of chosen) {
    const { operation, at, lasts } = fault;
    const name = `${operation} ${String(at)} ${lasts ? "and all that follow" : "alone"}`;
    await run(["cp", "--sparse=always", "--", scenario.disk, bench.disk]);
    const { result, hasFired } = await withFaultyDisk(
      bench.disk,
      scratch,
      fault,
      () => {
        try {
          return bench.run(scenario, commandOf(scenario));
        } catch {
          // It is so early that the system itself does not come up.
          return undefined;
        }
      },
    );
    if (!hasFired || result === undefined) {
      tally.miss();
      continue;
    }
    fs.renameSync(bench.disk, `${bench.disk}-after`);
    const problems = await withCopy(`${bench.disk}-after`, bench.disk, () =>
      bench.judge(scenario),
    );
    tally.count(t, name, [...judgeRun(result), ...problems]);
  }
  tally.record(t, "deployments: I/O errors", note);
});

await t.test("the disk is full", (t) =>
  failWithoutRoom(t, bench, scratch, scenarios),
);

await t.test("the disk takes no writes any more", (t) =>
  failReadOnly(t, bench, watched, steps),
);

await t.test("beside a boot of the same disk", (t) =>
  runBesideBoot(
    t,
    bench,
    watched,
    scenarios.filter(({ name }) => BESIDE_BOOT.includes(name)),
  ),
);

await t.test("two at once", async (t) => {
  const tally = createTally();
  for (const [name, other] of [
    ["a switch, with which the oldest goes", NEXT_COMMAND],
    ["a removal", NEXT_COMMAND],
    ["the first upgrade", NEXT_COMMAND],
  ] as const) {
    const scenario = find(name);
    await withCopy(scenario.disk, bench.disk, async () => {
      const args = scenario.command.join(" ");
      const { tries, said } = bench.run(
        scenario,
        `begin ${args}; first=$pid; dockroot ${other}; wait "$first"; echo "$?" >status-1\n`,
      );
      const failed = tries.filter(({ status }) => status !== 0);
      tally.count(t, `${name} beside ${other}`, [
        ...(failed.length === 0 ? [] : wrong([said])),
        ...(await bench.judge(scenario, { isSettled: true })),
      ]);
    });
  }
  tally.record(t, "deployments: two at once");
});

await t.test("somebody else has the place", async (t) => {
  const tally = createTally();
  const sampler = createSampler();
  const scenario = find("the first upgrade");
  const own = await withCopy(scenario.disk, bench.disk, async () => {
    bench.run(scenario, commandOf(scenario));
    const { state } = await bench.look();
    const [first] = state?.deployments ?? [];
    if (first === undefined) throw new Error("there is no deployment");
    const hex = first.image.id.replace("sha256:", "");
    return {
      image: `.dockroot/images/${hex}/tree`,
      bootFiles: `dockroot/${first.kernel.digest}`,
    };
  });
  for (const [name, { put, says }] of sampler.take(
    Object.entries(STRANGERS),
    4,
  )) {
    await withCopy(scenario.disk, bench.disk, async () => {
      await lookAt(bench.disk, (top) => put(top, own), WRITABLE);
      const look = () => lookAt(bench.disk, readWholeDisk, WRITABLE);
      const before = await look();
      const ran = bench.run(scenario, commandOf(scenario));
      const after = await look();
      const [{ status = undefined, said } = { said: "" }] = ran.tries;
      const problems: Problem[] = judgeRun(ran);
      if (says === undefined) {
        const text = await lookAt(
          bench.disk,
          (top) => fs.readFileSync(`${top}/grub/dockroot.cfg`, "utf8"),
          WRITABLE,
        );
        if (!text.endsWith("set color_normal=red\n")) {
          problems.push({ kind: "lost", text: "its line in dockroot.cfg" });
        }
        if (status !== 0) problems.push(...wrong([said]));
        problems.push(...(await bench.judge(scenario, { isSettled: true })));
      } else {
        const changed = describeChanges(before, after, {
          isFree: () => false,
          directories: [],
        });
        problems.push(
          ...changed
            .slice(0, 5)
            .map((text) => ({ kind: "lost", text }) as const),
          ...(status === 1 ? [] : wrong([`status ${String(status)}: ${said}`])),
          ...(says.test(said) ? [] : wrong([said])),
        );
      }
      tally.count(t, name, problems);
    });
  }
  tally.record(t, "deployments: not ours", ...sampler.notes());
});
