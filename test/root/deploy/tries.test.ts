// runner: tier=first seconds=35
import fs from "fs-extra";
import { spawn } from "node:child_process";
import { once } from "node:events";
import os from "node:os";
import t, { type Test } from "tap";
import type {
  Deployment,
  Deployments,
} from "../../../runtime/records/deployments.ts";
import { makeJournal } from "../../../fixtures/journal.ts";
import { run } from "../../../fixtures/run.ts";
import { rehearse } from "../boot-disk.ts";
import { makeDeploySystem } from "./deploy-system.ts";

const UNITS = "usr/lib/systemd/system";
const system = await makeDeploySystem(t, "tries", {
  "usr/lib/systemd/systemd": "",
  [`${UNITS}/boot-complete.target`]: "",
  [`${UNITS}/basic.target.d/dockroot.conf`]: "",
  [`${UNITS}/dockroot-confirm.service`]: "",
});
const { disk, dockroot } = system;
const STATE = ".dockroot/docker_rwlayer/deployments.json";
const MENU = "grub/dockroot.cfg";

const readState = async () =>
  JSON.parse(await system.read(STATE)) as Deployments;

async function find(n: number): Promise<Deployment> {
  const { deployments } = await readState();
  const found = deployments.find((each) => each.n === n);
  if (found === undefined)
    throw new Error(`there is no deployment ${String(n)}`);
  return found;
}

function succeeds(t: Test, ...args: string[]): string {
  const { status, stdout, stderr } = dockroot(...args);
  t.equal(status, 0, stderr + stdout);
  return stdout;
}

/** Boots what the entry of a deployment says, as far as its root. */
async function boot(t: Test, n: number, more = "") {
  const { options } = await find(n);
  const machine = rehearse(
    t,
    disk,
    "docker_rwlayer",
    `${options} dockroot.fallback=last dockroot.generations=9 ${more}`,
  );
  const { status, stderr } = machine.boot();
  t.equal(status, 0, stderr);
  t.equal(machine.finish().status, 0);
  return machine.record();
}

/** Takes the init out of a kept image. @returns its tree, on the top level */
async function withoutInit(n: number): Promise<string> {
  const { image } = await find(n);
  const tree = `.dockroot/images/${image.id.slice("sha256:".length)}/tree`;
  await disk.look(async (top) => {
    await run(["btrfs", "property", "set", `${top}/${tree}`, "ro", "false"]);
    fs.renameSync(`${top}/${tree}/sbin/init`, `${top}/${tree}/sbin/other`);
  });
  return tree;
}

await t.test("a first deployment runs", async (t) => {
  succeeds(t, "upgrade", "--pull=never", "system:1");
  const { options } = await find(1);
  system.booted(options);
  t.match(succeeds(t, "upgrade", "--pull=never", "system:1"), "Nothing new");
  t.equal((await find(1)).state, "good");
});

await t.test("a candidate boots so often", async (t) => {
  succeeds(t, "upgrade", "--pull=never", "next:1");
  t.match(await readState(), { next: 2, fallback: 1 });
  t.match(await system.read(MENU), /linux .* panic=30 /);
  for (const [left, done] of [
    [2, 1],
    [1, 2],
    [0, 3],
  ] as const) {
    t.match(await boot(t, 2), { result: "fresh", deployment: 2 });
    t.match(await find(2), { state: "candidate", tries: { left, done } });
  }
  await disk.look((top) =>
    makeJournal(`${top}/docker_rwlayer/var/log/journal`, [
      ...["1", "2", "3", "4", "no address"],
      "\\033[2J of an image",
    ]),
  );
});

await t.test(
  "then the one boots that is known to work, every time",
  async (t) => {
    t.match(await boot(t, 2, "dockroot.rwlayer=keep"), {
      result: "fallback",
      failure: { code: "DEPLOYMENT_BAD" },
    });
    t.match(await find(2), { state: "bad" }, "also where roots are kept");
    for (const _ of [1, 2]) {
      t.match(await boot(t, 2), {
        result: "fallback",
        deployment: 1,
        image: { id: disk.ids["system:1"] },
        failure: { code: "DEPLOYMENT_BAD" },
      });
      t.match(await find(2), {
        state: "bad",
        failure: "it has booted 3 times, and none of these boots was confirmed",
      });
    }
  },
);

await t.test("what runs then makes the menu right", async (t) => {
  // The kernel command line is still the other's, and so is boot.json a rehearsal's: here 1 runs.
  succeeds(t, "confirm");
  t.match(await readState(), { next: 1 });
  t.match(await system.read(MENU), /set default='dockroot-docker_rwlayer-1'/);
  t.notMatch(await system.read(MENU), "panic=30");
  const { errors } = await find(2);
  const ofJournal = errors?.filter((line) => line.includes(" test["));
  t.equal(ofJournal?.length, 5, "the last ones");
  t.match(ofJournal?.slice(-2), [/: no address$/, /blob data/]);
  t.match(
    fs.readFileSync(`${disk.scratch}/run/motd.d/dockroot`, "utf8"),
    /^dockroot: dockroot 2: next:1 .* is bad: it has booted 3 times.*\nThe last errors of its last boot:\n(?: {2}.*\n){3} {2}.*: no address\n/,
  );
  t.match(succeeds(t, "deployments", "--json"), /: no address"/);
});

await t.test("whoever chooses a bad one in the menu gets it", async (t) => {
  t.match(await boot(t, 2), { result: "fresh", deployment: 2 });
  t.equal((await find(2)).state, "bad");
});

await t.test("an orderly shutdown gives a try back", async (t) => {
  succeeds(t, "rollback", "2");
  t.match(await find(2), { state: "candidate", tries: { left: 3, done: 0 } });
  const { options } = await find(1);
  system.booted((await find(2)).options);
  await boot(t, 2);
  const mark = `${disk.scratch}/run/dockroot/counted`;
  succeeds(t, "confirm", "--give-back");
  t.match(await find(2), { tries: { left: 2, done: 1 } }, "it was not counted");
  fs.outputFileSync(mark, "");
  succeeds(t, "confirm", "--give-back");
  succeeds(t, "confirm", "--give-back");
  t.match(await find(2), { state: "candidate", tries: { left: 3, done: 1 } });
  system.booted(options);
});

await t.test("one whose root cannot be made is bad at once", async (t) => {
  succeeds(t, "rollback", "1");
  succeeds(t, "confirm");
  succeeds(t, "rollback", "2");
  const tree = await withoutInit(2);
  t.match(await boot(t, 2), {
    ...{ result: "fallback", deployment: 1 },
    failure: { code: "INIT_MISSING" },
  });
  t.match(await find(2), {
    ...{ state: "bad", failure: /^no root could be made/ },
    // Two roots were made, or begun: it is one boot.
    tries: { left: 2, done: 2 },
  });
  await disk.look((top) => {
    fs.renameSync(`${top}/${tree}/sbin/other`, `${top}/${tree}/sbin/init`);
  });
});

await t.test("with dockroot.confirm=login a person confirms", async (t) => {
  succeeds(t, "rollback", "2");
  const { options } = await find(2);
  const record = await boot(t, 2);
  const confirm = () => succeeds(t, "confirm", "--automatic");
  system.booted(options);
  t.match(confirm(), /^No deployment runs/, "a root of somebody else's");
  const recorded = `${disk.scratch}/run/dockroot/boot.json`;
  fs.outputJsonSync(recorded, record);
  system.booted(`${options} dockroot.confirm=manual`);
  t.match(confirm(), /^not confirmed: dockroot 2/);
  system.booted(`${options} dockroot.confirm=login`);
  t.match(confirm(), /^not confirmed: dockroot 2/, "without systemd-logind");
  const sessions = `${disk.scratch}/run/systemd/sessions`;
  fs.outputFileSync(`${sessions}/c1`, "UID=112\nCLASS=greeter\n");
  fs.outputFileSync(`${sessions}/1.ref`, "CLASS=user\n");
  const logsIn = spawn("sh", [
    ...["-c", 'sleep 2; printf "UID=0\\nCLASS=user-early\\n" >"$1/2"'],
    ...["sh", sessions],
  ]);
  t.match(confirm(), /^confirmed: dockroot 2/);
  t.ok(fs.existsSync(`${sessions}/2`), "not before somebody has logged in");
  await once(logsIn, "close");
  fs.removeSync(sessions);
  fs.removeSync(recorded);
});

await t.test("what is confirmed is counted no more", async (t) => {
  t.match(await find(2), { state: "good", tries: null });
  t.notMatch(await system.read(MENU), "panic=30");
  await boot(t, 2);
  t.match(await find(2), { state: "good", tries: null });
});

await t.test(
  "a substitute gets the modules of the kernel that runs",
  async (t) => {
    await system.inEngine(async (docker) => {
      const context = `${disk.scratch}/third`;
      fs.outputFileSync(
        `${context}/Dockerfile`,
        "FROM system:1\nCOPY third /\n",
      );
      fs.outputFileSync(`${context}/third`, "");
      await docker(["build", "--network=none", "--tag=third:1", context]);
    });
    succeeds(t, "upgrade", "--pull=never", "third:1");
    succeeds(t, "remove", "1");
    await withoutInit(3);
    t.match(await boot(t, 3), {
      ...{ result: "fallback", deployment: 2, hasModules: true },
      failure: { code: "INIT_MISSING" },
    });
    await disk.look((top) => {
      const modules = `lib/modules/${os.release()}`;
      t.ok(fs.existsSync(`${top}/docker_rwlayer/${modules}`));
    });
  },
);

await t.test("one that is older, and bad once more, is told of", async (t) => {
  system.booted((await find(2)).options);
  succeeds(t, "upgrade", "--pull=never", "next:1");
  await boot(t, 4);
  system.booted((await find(4)).options);
  succeeds(t, "confirm");
  const motd = `${disk.scratch}/run/motd.d/dockroot`;
  t.notOk(fs.existsSync(motd), "it was bad before, and what runs is newer");
  succeeds(t, "rollback", "3");
  t.match(await boot(t, 3), { result: "fallback", deployment: 4 });
  succeeds(t, "confirm");
  t.match(await readState(), { next: 4 });
  t.match(
    fs.readFileSync(motd, "utf8"),
    /^dockroot: dockroot 3: third:1 .* is bad: no root .* What runs is dockroot 4: /,
  );
});

await t.test(
  "of two candidates one boots next, and both are told",
  async (t) => {
    const tries = { left: 3, done: 0 };
    const state = await readState();
    const deployments = state.deployments.map((each) =>
      each.n === 3 ? each : { ...each, state: "candidate", tries },
    );
    await disk.look((top) => {
      fs.writeJsonSync(`${top}/${STATE}`, { ...state, deployments });
    });
    succeeds(t, "gc");
    t.match(await system.read(MENU), /set default='dockroot-docker_rwlayer-4'/);
    t.match(
      succeeds(t, "deployments"),
      /^4 .*candidate.*\n(.*\n)*2 .*candidate/m,
    );
    await boot(t, 2);
    t.match(await find(2), { tries: { left: 2, done: 1 } });
    t.match(await find(4), { tries }, "of the other no boot is counted");
    system.booted((await find(2)).options);
    succeeds(t, "confirm");
    t.match(await find(2), { state: "good", tries: null });
    t.match(await readState(), { next: 4, fallback: 2 });
    succeeds(t, "upgrade", "--pull=never", "third:1");
    const { next, deployments: left } = await readState();
    t.strictSame(
      left.map(({ n, state: own }) => [n, own]),
      [
        [2, "good"],
        [5, "candidate"],
      ],
    );
    t.equal(next, 5);
  },
);
