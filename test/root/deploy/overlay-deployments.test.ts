// runner: tier=first seconds=40
import fs from "fs-extra";
import t, { type Test } from "tap";
import type { KeptImage } from "../../../runtime/records/kept-image.ts";
import type {
  Deployment,
  Deployments,
} from "../../../runtime/records/deployments.ts";
import { rehearse } from "../boot-disk.ts";
import { FIRST, makeDeploySystem, SECOND } from "./deploy-system.ts";

const UNITS = "usr/lib/systemd/system";
const system = await makeDeploySystem(
  ...([t, "overlay-deployments"] as const),
  {
    "usr/lib/systemd/systemd": "",
    [`${UNITS}/boot-complete.target`]: "",
    [`${UNITS}/basic.target.d/dockroot.conf`]: "",
    [`${UNITS}/dockroot-confirm.service`]: "",
  },
  "ext4",
);
const { disk, dockroot } = system;
const IMAGES = ".dockroot/images";
const LAYERS = ".dockroot/layers";

const readState = async () =>
  JSON.parse(
    await system.read(".dockroot/docker_rwlayer/deployments.json"),
  ) as Deployments;

async function find(n: number): Promise<Deployment> {
  const { deployments } = await readState();
  const found = deployments.find((each) => each.n === n);
  if (found === undefined)
    throw new Error(`there is no deployment ${String(n)}`);
  return found;
}

async function readKept(n: number): Promise<KeptImage> {
  const { image } = await find(n);
  const file = `${IMAGES}/${image.id.slice("sha256:".length)}/image.json`;
  return JSON.parse(await system.read(file)) as KeptImage;
}

const namesIn = (directory: string) =>
  disk.look((top) => fs.readdirSync(`${top}/${directory}`).sort());

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
    `${options} dockroot.fallback=last ${more}`,
  );
  const { status, stderr } = machine.boot();
  t.equal(status, 0, stderr);
  const root = `${machine.runDirectory}/root`;
  const release = fs.readdirSync(`${root}/lib/modules`);
  t.equal(machine.finish().status, 0);
  return { ...machine.record(), release };
}

await t.test("a dry run changes nothing", async (t) => {
  const args = ["upgrade", "--pull=never", "--dry-run"];
  t.match(succeeds(t, ...args), `to:   dockroot 1: system:1 (${FIRST})`);
  await disk.look((top) => {
    t.notOk(fs.existsSync(`${top}/.dockroot`));
  });
});

await t.test("an image is kept as its layers", async (t) => {
  succeeds(t, "upgrade", "--pull=never");
  t.notOk(fs.existsSync(`${disk.scratch}/run/dockroot`), "no mount is left");
  const { options, kernel } = await find(1);
  t.notMatch(options, "subvol=");
  const kept = await readKept(1);
  t.match(kept, { uuid: null, kernels: [FIRST], reference: "system:1" });
  t.strictSame(await namesIn(LAYERS), kept.layers?.toSorted());
  t.strictSame(await namesIn(`dockroot/${kernel.digest}`), ["initrd", "linux"]);
  t.match(await boot(t, 1), {
    ...{ result: "fresh", deployment: 1, isOverlay: true },
    image: { reference: "system:1", id: disk.ids["system:1"] },
  });
  system.booted(options);
  t.match(succeeds(t, "upgrade", "--pull=never"), "Nothing new");
  t.equal((await find(1)).state, "good");
});

await t.test("another image with another kernel", async (t) => {
  const text = succeeds(t, "upgrade", "next:1", "--pull=never");
  t.match(text, `to:   dockroot 2: next:1 (${SECOND})`);
  t.match(await readState(), { next: 2, fallback: 1 });
  t.match(await find(2), { state: "candidate", tries: { left: 3, done: 0 } });
});

await t.test("an engine can prune what boots, and be removed", async (t) => {
  await system.inEngine((docker) => docker(["system", "prune", "-af"]));
  t.match(await boot(t, 2), { result: "fresh", deployment: 2 });
  await disk.look((top) => fs.move(`${top}/docker`, `${top}/elsewhere`));
  t.match(await boot(t, 2, "dockroot.deployment="), { result: "fresh" });
  t.match(await boot(t, 1), { result: "fresh", release: [FIRST] });
  await disk.look((top) => fs.move(`${top}/elsewhere`, `${top}/docker`));
});

await t.test("a candidate that is used up gives way", async (t) => {
  for (const _ of [1, 2]) await boot(t, 2);
  const record = await boot(t, 2);
  t.match(record, {
    ...{ result: "fallback", deployment: 1 },
    failure: { code: "DEPLOYMENT_BAD" },
  });
  t.match(await find(2), { state: "bad" });
  succeeds(t, "confirm");
  t.match(await readState(), { next: 1 });
});

await t.test("GRUB takes back what boots once", async (t) => {
  succeeds(t, "rollback", "2", "--once");
  t.match(await system.read("grub/dockroot.env"), "dockroot_once=");
  t.match(await readState(), { next: 1 });
});

await t.test("gc restores what a deployment has lost", async (t) => {
  const { kernel } = await find(1);
  const initrd = `dockroot/${kernel.digest}/initrd`;
  const before = await system.read(initrd);
  await disk.look((top) => {
    fs.truncateSync(`${top}/${initrd}`, 20);
  });
  const { status, stderr } = dockroot("gc");
  t.equal(status, 0, stderr);
  t.match(stderr, `kernel and initramfs ${FIRST} were missing or damaged`);
  t.equal(await system.read(initrd), before);
});

await t.test(
  "layers go with the last image that is kept of them",
  async (t) => {
    const first = await readKept(1);
    const state = await readState();
    t.strictSame(
      state.deployments.map(({ n }) => n),
      [1],
      "gc removes what is bad",
    );
    t.strictSame(await namesIn(IMAGES), [first.id.slice("sha256:".length)]);
    await boot(t, 1, "dockroot.generations=0");
    t.strictSame(await namesIn(LAYERS), first.layers?.toSorted());
  },
);
