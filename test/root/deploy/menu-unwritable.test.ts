// runner: tier=first seconds=35
import fs from "fs-extra";
import t, { type Test } from "tap";
import { makeDisk } from "../../../fixtures/loop-disk.ts";
import { run } from "../../../fixtures/run.ts";
import type {
  Deployment,
  Deployments,
} from "../../../runtime/records/deployments.ts";
import { attach, detach, lookAt, newLabel, rehearse } from "../boot-disk.ts";
import { makeDeploySystem } from "./deploy-system.ts";

// GRUB counts in a menu that is on a filesystem of its own, which takes no writes any more.

const UNITS = "usr/lib/systemd/system";
const system = await makeDeploySystem(t, "menu-unwritable", {
  "usr/lib/systemd/systemd": "",
  [`${UNITS}/boot-complete.target`]: "",
  [`${UNITS}/basic.target.d/dockroot.conf`]: "",
  [`${UNITS}/dockroot-confirm.service`]: "",
});
const { disk, dockroot } = system;
const STATE = ".dockroot/docker_rwlayer/deployments.json";
const MENU = "grub/dockroot.cfg";
const menuDisk = `${disk.scratch}/menu`;
const label = newLabel();
await makeDisk(menuDisk, {
  ...{ fsType: "ext4", label, sizeBytes: 16 * 1024 ** 2 },
});
let device = await attach(t, menuDisk);
const atMenu = <T>(work: (top: string) => T | Promise<T>) =>
  lookAt(menuDisk, work, ["noatime"]);
await atMenu((top) => {
  fs.outputFileSync(`${top}/grub/grub.cfg`, "source custom.cfg\n");
});
await disk.look((top) => {
  fs.removeSync(`${top}/grub`);
});
const isMounted = () => {
  system.mounted([device, "/boot"]);
};

async function find(n: number): Promise<Deployment> {
  const { deployments } = JSON.parse(await system.read(STATE)) as Deployments;
  const found = deployments.find((each) => each.n === n);
  if (found === undefined)
    throw new Error(`there is no deployment ${String(n)}`);
  return found;
}

function succeeds(t: Test, ...args: string[]): void {
  const { status, stdout, stderr } = dockroot(...args);
  t.equal(status, 0, stderr + stdout);
}

/** @returns the number of the deployment that boots */
function boot(t: Test, options: string): number | null {
  const last = `${options} dockroot.fallback=last`;
  const machine = rehearse(t, disk, "docker_rwlayer", last);
  const { status, stderr } = machine.boot();
  t.equal(status, 0, stderr);
  t.equal(machine.finish().status, 0);
  return machine.record().deployment;
}

/** Whether the menu has the candidate as one that restarts the machine. */
const isCounted = () =>
  atMenu((top) =>
    fs.readFileSync(`${top}/${MENU}`, "utf8").includes("panic=30"),
  );

/** Ways in which a menu takes no writes. */
const FAULTS = {
  "it is full": {
    begin: () =>
      atMenu(async (top) => {
        // What does not fit as a whole leaves room: the last blocks are written one by one.
        const fill = `for size in 64K 512; do dd if=/dev/zero bs=$size status=none >>${top}/full; sync -f ${top}; done`;
        await run(["sh", "-c", `(${fill}) 2>&1`]);
      }),
    end: () =>
      atMenu((top) => {
        fs.removeSync(`${top}/full`);
      }),
    says: /cannot write .*dockroot\.(cfg|env)/,
  },
  "it is mounted read-only": {
    begin: () => {
      system.mounted(["-o", "ro", device, "/boot"]);
    },
    end: isMounted,
    says: /\/boot is mounted read-only/,
  },
  "its device is write-protected": {
    begin: async () => {
      system.mounted();
      await run(["blockdev", "--setro", device]);
    },
    end: async () => {
      await run(["blockdev", "--setrw", device]);
      isMounted();
    },
    says: /is write-protected/,
  },
  "its device is missing": {
    begin: async () => {
      system.mounted();
      await detach(menuDisk);
    },
    end: async () => {
      device = await attach(t, menuDisk);
      isMounted();
    },
    says: /no menu of GRUB was found/,
  },
};

let counted = "";

/** The candidate is one again. */
async function beginAnew(t: Test): Promise<void> {
  await disk.look((top) => {
    fs.writeFileSync(`${top}/${STATE}`, counted);
  });
  succeeds(t, "gc");
  t.ok(await isCounted());
}

await t.test("a candidate whose boots GRUB counts", async (t) => {
  isMounted();
  succeeds(t, "upgrade", "--pull=never", "system:1");
  system.booted((await find(1)).options);
  succeeds(t, "upgrade", "--pull=never", "next:1");
  system.booted((await find(2)).options);
  t.match(await find(2), { state: "candidate", tries: { left: 3, done: 0 } });
  counted = await system.read(STATE);
});

for (const [name, { begin, end, says }] of Object.entries(FAULTS)) {
  await t.test(`a confirmation holds where ${name}`, async (t) => {
    await beginAnew(t);
    await begin();
    t.match(dockroot("confirm"), { status: 1, stderr: says });
    await end();
    t.match(await find(2), { state: "good", tries: null });
    t.ok(await isCounted(), "the menu stays as it is");
    succeeds(t, "confirm");
    t.notOk(await isCounted(), "the menu follows");
  });
}

await t.test("a boot is given back, once, where it is read-only", async (t) => {
  await beginAnew(t);
  boot(t, (await find(2)).options);
  t.match(await find(2), { tries: { left: 2, done: 1 } });
  const { begin, end, says } = FAULTS["it is mounted read-only"];
  begin();
  fs.outputFileSync(`${disk.scratch}/run/dockroot/counted`, "");
  const giveBack = () => dockroot("confirm", "--give-back");
  t.match(giveBack(), { status: 1, stderr: says });
  t.match(giveBack(), { status: 0 });
  end();
  t.match(await find(2), { state: "candidate", tries: { left: 3, done: 1 } });
});

await t.test("boots are counted where it is read-only", async (t) => {
  await beginAnew(t);
  const [{ options: former }, { options }] = [await find(1), await find(2)];
  const { begin, end, says } = FAULTS["it is mounted read-only"];
  begin();
  for (const _ of [1, 2, 3]) t.equal(boot(t, options), 2);
  system.booted(former);
  // GRUB starts the same entry each time.
  for (const _ of [1, 2]) {
    t.equal(boot(t, options), 1, "another one boots in its place");
    t.match(await find(2), { state: "bad" });
    t.match(dockroot("confirm"), { status: 1, stderr: says });
  }
  end();
  succeeds(t, "confirm");
  t.notOk(await isCounted());
  t.match(JSON.parse(await system.read(STATE)), { next: 1 });
});
