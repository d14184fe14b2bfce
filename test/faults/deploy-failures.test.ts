// runner: tier=first seconds=60 whole=400
import fs from "fs-extra";
import path from "node:path";
import t from "tap";
import { run } from "../../fixtures/run.ts";
import { lookAt } from "../root/boot-disk.ts";
import { makeScratch } from "../root/scratch.ts";
import { choosePart, createSampler } from "./campaign.ts";
import { createDeployBench, NEXT_COMMAND } from "./deploy-bench.ts";
import {
  makeDeployScenarios,
  STATE,
  type DeployScenario,
} from "./deploy-scenarios.ts";
import { makeFastScratch, withCopy } from "./disk-copy.ts";
import {
  countOperations,
  withFaultyDisk,
  type DiskFault,
} from "./faulty-disk.ts";
import {
  makeFaultyHelpers,
  numberCalls,
  type Fault,
} from "./faulty-helpers.ts";
import type { Machine } from "./faulty-start.ts";
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
/** Prime to the number of faults. */
const STRIDE = 3;
const WRITABLE = ["subvolid=5"];

interface Injection {
  readonly name: string;
  readonly run: () => Promise<Problem[]>;
}

const scratch = makeFastScratch(t, "deploy-failures");
const helpers = makeFaultyHelpers(makeScratch(t, "deploy-helpers"));
/** The real ones, which only dockroot does not see. */
const programs = path.dirname(helpers.real("sh"));
const watched: Machine = {
  command: (script) => helpers.command(`PATH='${programs}'; ${script}`),
};
const scenarios = await makeDeployScenarios(t);
const bench = await createDeployBench(scratch, scenarios);

function command({ command: args }: DeployScenario): string {
  return `dockroot ${args.join(" ")}\n`;
}

function find(name: DeployScenario["name"]): DeployScenario {
  const found = scenarios.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no scenario is called ${name}`);
  return found;
}

await t.test("a helper fails", async (t) => {
  const tally = createTally();
  const injections: Injection[] = [];
  for (const scenario of scenarios) {
    helpers.arrange();
    await withCopy(scenario.disk, bench.disk, () => {
      const { said, tries } = bench.run(scenario, command(scenario), watched);
      if (tries[0]?.status !== 0) throw new Error(said);
      return Promise.resolve();
    });
    const called = helpers.calls();
    for (const [index, call] of numberCalls(called).entries()) {
      const fault = FAULTS[(injections.length * STRIDE) % FAULTS.length];
      if (fault === undefined) throw new Error("there is no fault");
      // The lock's helper does not answer then: it is waited for.
      const isWaited = call.work === "flock" && /says|nothing/.test(fault);
      if (isWaited) continue;
      const what = called[index]?.replaceAll(/[0-9a-f-]{36,}/g, "ID");
      injections.push({
        name: `${scenario.name}, call ${String(index + 1)}, ${String(what)} ${fault}`,
        run: () =>
          withCopy(scenario.disk, bench.disk, async () => {
            helpers.arrange(fault, call);
            const ran = bench.run(scenario, command(scenario), watched);
            return [
              ...(helpers.hasFired() ? [] : wrong(["there was no such call"])),
              // What could not be unmounted stays.
              ...judgeRun(call.work === "umount" ? { ...ran, left: [] } : ran),
              ...(await bench.judge(scenario)),
            ];
          }),
      });
    }
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
    bench.run(scenario, command(scenario));
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
          return bench.run(scenario, command(scenario));
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
        ...(await bench.judge(scenario, "settled")),
      ]);
    });
  }
  tally.record(t, "deployments: two at once");
});

/** What somebody else has put where dockroot would put its own, and what comes of an upgrade. */
const STRANGERS: Readonly<
  Record<
    string,
    {
      readonly put: (top: string, own: OwnPlaces) => Promise<void> | void;
      readonly says: RegExp | undefined;
    }
  >
> = {
  "a subvolume where the image is to be kept": {
    put: (top, { image }) => makeSubvolume(`${top}/${image}`),
    says: /has no valid/,
  },
  "a directory where the image is to be kept": {
    put: (top, { image }) => {
      fs.outputFileSync(`${top}/${image}/precious`, "mine\n");
    },
    says: /has no valid/,
  },
  "other files where the boot files are to be": {
    put: (top, { bootFiles }) => {
      fs.outputFileSync(`${top}/${bootFiles}/linux`, "mine\n");
    },
    says: /has other files/,
  },
  "a file where the directory of boot files is to be": {
    put: (top) => {
      fs.removeSync(`${top}/dockroot`);
      fs.writeFileSync(`${top}/dockroot`, "mine\n");
    },
    says: /dockroot is not a directory/,
  },
  "a damaged deployments.json": {
    put: (top) => {
      fs.outputFileSync(`${top}/${STATE}`, '{"version": 1, "depl');
    },
    says: /deployments\.json is damaged/,
  },
  "a deployments.json of a newer dockroot": {
    put: (top) => {
      fs.outputFileSync(`${top}/${STATE}`, '{"version": 2}');
    },
    says: /was written by a newer dockroot/,
  },
  "a dockroot.cfg of somebody else's": {
    put: (top) => {
      fs.writeFileSync(`${top}/grub/dockroot.cfg`, "set color_normal=red\n");
    },
    says: undefined,
  },
  "half of a block in custom.cfg": {
    put: (top) => {
      fs.appendFileSync(
        `${top}/grub/custom.cfg`,
        "# dockroot deployments: begin\n",
      );
    },
    says: /do not pair/,
  },
};

interface OwnPlaces {
  /** The subvolume. */
  readonly image: string;
  readonly bootFiles: string;
}

async function makeSubvolume(place: string): Promise<void> {
  fs.mkdirpSync(path.dirname(place));
  await run(["btrfs", "subvolume", "create", place]);
  fs.writeFileSync(`${place}/precious`, "mine\n");
}

await t.test("somebody else has the place", async (t) => {
  const tally = createTally();
  const sampler = createSampler();
  const scenario = find("the first upgrade");
  const own = await withCopy(scenario.disk, bench.disk, async () => {
    bench.run(scenario, command(scenario));
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
      const ran = bench.run(scenario, command(scenario));
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
        problems.push(...(await bench.judge(scenario, "settled")));
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
