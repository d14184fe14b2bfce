// runner: tier=first seconds=30
import fs from "fs-extra";
import os from "node:os";
import t, { type Test } from "tap";
import type { KeptImage } from "../../../runtime/records/kept-image.ts";
import type {
  Deployment,
  Deployments,
} from "../../../runtime/records/deployments.ts";
import type { Finding } from "../../../installer/doctor/rules/finding.ts";
import { run } from "../../../fixtures/run.ts";
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
  const modules = fs.readdirSync(`${root}/lib/modules`).toSorted();
  const finished = machine.finish();
  t.equal(finished.status, 0);
  return { ...machine.record(), modules, finished: finished.stderr };
}

const keysOf = async (n: number) => (await readKept(n)).layers ?? [];

await t.test("a dry run changes nothing", async (t) => {
  // The PC's own system.
  system.booted("quiet");
  const args = ["upgrade", "system:1", "--pull=never", "--dry-run"];
  t.match(succeeds(t, ...args), `to:   dockroot 1: system:1 (${FIRST})`);
  await disk.look((top) => {
    t.notOk(fs.existsSync(`${top}/.dockroot`));
  });
});

await t.test("an image is kept as its layers", async (t) => {
  succeeds(t, "upgrade", "system:1", "--pull=never");
  t.notOk(fs.existsSync(`${disk.scratch}/run/dockroot`), "no mount is left");
  const { options, kernel } = await find(1);
  t.match(options, `root=LABEL=${disk.label} rw docker_path=docker `);
  const kept = await readKept(1);
  t.match(kept, { uuid: null, kernels: [FIRST], reference: "system:1" });
  t.strictSame(await namesIn(LAYERS), kept.layers?.toSorted());
  t.strictSame(await namesIn(`dockroot/${kernel.digest}`), ["initrd", "linux"]);
  t.match(await boot(t, 1), {
    ...{ result: "fresh", deployment: 1, isOverlay: true, warnings: [] },
    image: { reference: "system:1", id: disk.ids["system:1"] },
  });
  system.booted(options);
  t.match(succeeds(t, "upgrade", "--pull=never"), "Nothing new");
  t.equal((await find(1)).state, "good");
});

await t.test("no layer goes while a record is damaged", async (t) => {
  const held = await namesIn(LAYERS);
  const { id } = await readKept(1);
  const file = `${IMAGES}/${id.slice("sha256:".length)}/image.json`;
  const damage = () =>
    disk.look((top) => {
      fs.writeFileSync(`${top}/${file}`, "{");
    });
  await damage();
  const without = "dockroot.deployment= dockroot.generations=0";
  const { finished } = await boot(t, 1, `docker_image=next:1 ${without}`);
  t.match(finished, `${file} is damaged`);
  const all = await namesIn(LAYERS);
  t.strictSame(
    held.filter((key) => !all.includes(key)),
    [],
  );
  // Where a file takes no other name, its layer cannot be linked anew.
  const change = (flag: string) =>
    disk.look(async (top) => {
      const files = held
        .map((key) => `${top}/${LAYERS}/${key}/boot/vmlinuz-${FIRST}`)
        .filter((name) => fs.existsSync(name));
      await run(["chattr", flag, ...files]);
    });
  await change("+i");
  succeeds(t, "gc");
  await change("-i");
  t.strictSame((await keysOf(1)).toSorted(), held);
  await damage();
  const record = await boot(t, 1, "dockroot.generations=0");
  t.match(record.warnings, [/ of deployment 1 is not in \.dockroot\/images/]);
  t.strictSame(await namesIn(LAYERS), all);
  const { status, stderr } = dockroot("gc");
  t.equal(status, 0, stderr);
  t.match(stderr, "the image system:1 was kept no longer, and is again");
  await boot(t, 1, "dockroot.generations=0");
  t.strictSame(await namesIn(LAYERS), held);
});

await t.test("layers for which the disk has no inodes", async (t) => {
  const before = await readState();
  const held = await namesIn(LAYERS);
  await disk.look((top) => {
    fs.mkdirSync(`${top}/full`);
    const { ffree } = fs.statfsSync(top);
    for (let n = 0; n < ffree - 500; n += 1) {
      fs.closeSync(fs.openSync(`${top}/full/${String(n)}`, "w"));
    }
  });
  const { status, stderr } = dockroot("upgrade", "next:1", "--pull=never");
  await disk.look((top) => fs.remove(`${top}/full`));
  t.equal(status, 1, stderr);
  t.match(stderr, /no room for the image's layers: they have \d+ directories/);
  t.strictSame(await readState(), before);
  t.strictSame(await namesIn(LAYERS), held);
});

await t.test("another image with another kernel", async (t) => {
  const text = succeeds(t, "upgrade", "next:1", "--pull=never");
  t.match(text, `to:   dockroot 2: next:1 (${SECOND})`);
  t.match(await readState(), { next: 2, fallback: 1 });
  t.match(await find(2), { state: "candidate", tries: { left: 3, done: 0 } });
  t.notMatch(succeeds(t, "deployments"), "does not count boots");
  const { findings } = JSON.parse(dockroot("doctor", "--json").stdout) as {
    findings: Finding[];
  };
  t.match(
    findings.filter(({ subject }) => subject === "deployments"),
    [{ severity: "ok", message: `dockroot 2: next:1 (${SECOND}) boots next` }],
  );
  t.match(
    findings.find(({ subject }) => subject === "boot-entries")?.message,
    /^entries that boot an image: 2 of /,
    "its menu is on the disk below the root",
  );
});

await t.test("a candidate that is used up gives way", async (t) => {
  for (const left of [2, 1, 0]) {
    t.match(await boot(t, 2), { result: "fresh", deployment: 2 });
    t.match(await find(2), { tries: { left } });
  }
  t.match(await boot(t, 2), {
    ...{ result: "fallback", deployment: 1 },
    failure: { code: "DEPLOYMENT_BAD" },
  });
  t.match(await find(2), { state: "bad" });
  const [leaf = ""] = await keysOf(2);
  await disk.look((top) => fs.move(`${top}/${LAYERS}/${leaf}`, `${top}/moved`));
  const { status, stderr } = dockroot("confirm");
  await disk.look((top) => fs.move(`${top}/moved`, `${top}/${LAYERS}/${leaf}`));
  t.equal(status, 0, stderr);
  t.match(stderr, "cannot read the journal of .dockroot/docker_rwlayer/");
  t.match(await readState(), { next: 1 });
});

await t.test("GRUB takes back what boots once", async (t) => {
  const reserve = ".dockroot/docker_rwlayer/reserve";
  await disk.look((top) => {
    fs.removeSync(`${top}/${reserve}`);
    fs.outputFileSync(`${top}/${reserve}/file`, "somebody's");
  });
  succeeds(t, "rollback", "2", "--once");
  t.equal(await system.read(`${reserve}/file`), "somebody's");
  t.strictSame(
    (await namesIn(".dockroot/docker_rwlayer")).filter((name) =>
      name.startsWith("reserve"),
    ),
    ["reserve"],
  );
  await disk.look((top) => fs.remove(`${top}/${reserve}`));
  t.match(await system.read("grub/dockroot.env"), "dockroot_once=");
  t.match(await readState(), { next: 1 });
});

await t.test("gc restores what is lost, and removes what is bad", async (t) => {
  const { kernel } = await find(1);
  const initrd = `dockroot/${kernel.digest}/initrd`;
  const before = await system.read(initrd);
  await disk.look((top) => {
    fs.truncateSync(`${top}/${initrd}`, 20);
  });
  // What an interruption has left there, and nobody can remove.
  const stuck = `${LAYERS}.new/stuck/file`;
  await disk.look(async (top) => {
    fs.outputFileSync(`${top}/${stuck}`, "");
    await run(["chattr", "+i", `${top}/${stuck}`]);
  });
  const { status, stderr } = dockroot("gc");
  await disk.look((top) => run(["chattr", "-i", `${top}/${stuck}`]));
  t.equal(status, 0, stderr);
  t.match(stderr, `kernel and initramfs ${FIRST} were missing or damaged`);
  t.equal(await system.read(initrd), before);
  t.strictSame(
    (await readState()).deployments.map(({ n }) => n),
    [1],
  );
});

await t.test("a substitute gets the modules of the kernel", async (t) => {
  await system.inEngine(async (docker) => {
    const context = `${disk.scratch}/third`;
    fs.outputFileSync(`${context}/Dockerfile`, "FROM system:1\nCOPY third /\n");
    fs.outputFileSync(`${context}/third`, "");
    await docker(["build", "--network=none", "--tag=third:1", context]);
  });
  succeeds(t, "upgrade", "next:1", "--pull=never");
  system.booted((await find(3)).options);
  succeeds(t, "confirm");
  const stays = ".dockroot/layers.new/1/stays";
  await disk.look(async (top) => {
    await fs.outputFile(`${top}/${stays}`, "");
    await run(["chattr", "+i", `${top}/${stays}`]);
  });
  succeeds(t, "upgrade", "third:1", "--pull=never");
  succeeds(t, "remove", "1");
  await disk.look((top) => run(["chattr", "-i", `${top}/${stays}`]));
  const [leaf = ""] = await keysOf(4);
  await disk.look(async (top) => {
    fs.mkdirpSync(`${top}/${LAYERS}/${leaf}/sbin`);
    await run(["mknod", `${top}/${LAYERS}/${leaf}/sbin/init`, "c", "0", "0"]);
  });
  t.match(await boot(t, 4), {
    ...{ result: "fallback", deployment: 3, hasModules: true },
    failure: { code: "INIT_MISSING" },
    modules: [os.release(), SECOND].toSorted(),
  });
  t.match(await find(4), { state: "bad", failure: /^no root could be made/ });
});

await t.test(
  "a full disk keeps nobody from going back, or from making room",
  async (t) => {
    await disk.look(async (top) => {
      for (let bytes = 2 ** 30; bytes >= 4096; bytes /= 2) {
        const size = [
          "--length",
          String(bytes),
          `${top}/full-${String(bytes)}`,
        ];
        await run(["fallocate", ...size]).catch(() => undefined);
      }
      t.throws(() => {
        fs.writeFileSync(`${top}/one-more`, "x".repeat(5000));
      });
    });
    for (const n of [4, 3]) {
      succeeds(t, "rollback", String(n));
      t.equal((await readState()).next, n);
    }
    succeeds(t, "remove", "4");
    await disk.look((top) =>
      Promise.all(
        fs
          .readdirSync(top)
          .filter((name) => /^(?:full|one)-/.test(name))
          .map((name) => fs.remove(`${top}/${name}`)),
      ),
    );
  },
);

await t.test("an engine can prune what boots, and be removed", async (t) => {
  await system.inEngine((docker) => docker(["system", "prune", "-af"]));
  t.match(await boot(t, 3), { result: "fresh", warnings: [] });
  await disk.look((top) => fs.remove(`${top}/docker`));
  t.match(await boot(t, 3), { result: "fresh", warnings: [] });
  const named = await boot(t, 3, "dockroot.deployment= docker_image=next:1");
  t.match(named, { result: "fresh", warnings: [/one that dockroot kept/] });
});

await t.test(
  "layers go with the last image that is made of them",
  async (t) => {
    await disk.look((top) => fs.mkdirp(`${top}/docker`));
    const { status, stderr } = dockroot("gc");
    t.equal(status, 0, stderr);
    t.strictSame(
      (await readState()).deployments.map(({ n }) => n),
      [3],
    );
    await boot(t, 3, "dockroot.generations=0");
    t.strictSame(await namesIn(LAYERS), (await keysOf(3)).toSorted());
    t.equal((await namesIn(IMAGES)).length, 1);
  },
);
