// runner: tier=first seconds=60
import fs from "fs-extra";
import t from "tap";
import type { Finding } from "../../../installer/doctor/rules/finding.ts";
import type { Deployments } from "../../../runtime/records/deployments.ts";
import { run } from "../../../fixtures/run.ts";
import { runDockroot } from "../../binary/run-dockroot.ts";
import { rehearse } from "../boot-disk.ts";
import { FIRST, makeDeploySystem, SECOND } from "./deploy-system.ts";

const system = await makeDeploySystem(t, "deployments");
const { disk, dockroot } = system;
const STATE = ".dockroot/docker_rwlayer/deployments.json";
const readState = async () =>
  JSON.parse(await system.read(STATE)) as Deployments;
const numbers = ({ deployments }: Deployments) => deployments.map(({ n }) => n);

await t.test("a dry run tells what would be done", async (t) => {
  const before = await disk.subvolumes();
  const { status, stdout, stderr } = dockroot(
    "upgrade",
    "--pull=never",
    "--dry-run",
  );
  t.equal(status, 0, stderr);
  t.match(stdout, `to:   dockroot 1: system:1 (${FIRST})`);
  t.match(stdout, "Nothing was changed.");
  t.strictSame(await disk.subvolumes(), before);
});

await t.test("a menu that does not show our entries", async (t) => {
  const config = "grub/grub.cfg";
  const text = await system.read(config);
  const write = (content: string) =>
    disk.look((top) => {
      fs.writeFileSync(`${top}/${config}`, content);
    });
  await write("set timeout=0\n");
  const before = await disk.subvolumes();
  const { status, stderr } = dockroot("upgrade", "--pull=never");
  t.equal(status, 1);
  t.match(stderr, "grub.cfg does not read custom.cfg");
  t.strictSame(await disk.subvolumes(), before, "nothing is changed");
  await disk.look((top) => {
    t.notOk(fs.existsSync(`${top}/${STATE}`));
  });
  await write(text);
});

await t.test("the first deployment", async (t) => {
  const { status, stdout, stderr } = dockroot("upgrade", "--pull=never");
  t.equal(status, 0, stderr + stdout);
  t.match(stdout, `to:   dockroot 1: system:1 (${FIRST})`);
  const state = await readState();
  t.match(state, {
    next: 1,
    reference: "system:1",
    loader: "grub",
    deployments: [
      {
        n: 1,
        state: "candidate",
        kernel: { release: FIRST },
        image: { id: disk.ids["system:1"] },
      },
    ],
  });
  const [first] = state.deployments;
  const files = `dockroot/${first?.kernel.digest ?? ""}`;
  t.match(await system.read("grub/dockroot.cfg"), `/${files}/linux`);
  await disk.look((top) => {
    t.strictSame(fs.readdirSync(`${top}/${files}`).sort(), ["initrd", "linux"]);
  });
});

await t.test("a menu with deployments of another disk", async (t) => {
  const menu = "grub/dockroot.cfg";
  const text = await system.read(menu);
  const write = (content: string) =>
    disk.look((top) => {
      fs.writeFileSync(`${top}/${menu}`, content);
    });
  const other = text.replaceAll(`LABEL=${disk.label}`, "LABEL=elsewhere");
  await write(other);
  const { status, stderr } = dockroot("upgrade", "bare:1", "--pull=never");
  t.equal(status, 1);
  t.match(stderr, 'that is not on this disk: "dockroot 1: system:1');
  t.equal(await system.read(menu), other);
  await write(text);
});

await t.test(
  "what its entry says boots, the engine's store being gone",
  async (t) => {
    const [first] = (await readState()).deployments;
    const machine = rehearse(t, disk, "docker_rwlayer", first?.options);
    await disk.look((top) => fs.move(`${top}/docker`, `${top}/elsewhere`));
    t.teardown(() =>
      disk.look((top) => fs.move(`${top}/elsewhere`, `${top}/docker`)),
    );
    const { status, stderr } = machine.boot();
    t.equal(status, 0, stderr);
    t.match(machine.record(), {
      result: "fresh",
      deployment: 1,
      image: { reference: "system:1", id: disk.ids["system:1"] },
    });
    t.equal(machine.finish().status, 0);
    const flags = ["--run-dir", machine.runDirectory];
    const told = runDockroot("status", "--json", ...flags);
    t.match(JSON.parse(told.stdout), {
      deployment: 1,
      hasModules: true,
      deployments: {
        count: 1,
        bootFileBytes: first?.kernel.bytes,
        next: { n: 1, image: { reference: "system:1" }, kernel: FIRST },
      },
    });
    const text = runDockroot("status", ...flags);
    t.match(text.stdout, `boots next  deployment 1: system:1 (${FIRST})`);
    system.booted(first?.options ?? "");
  },
);

await t.test("Nothing new", async (t) => {
  const before = await readState();
  const { status, stdout, stderr } = dockroot("upgrade", "--pull=never");
  t.equal(status, 0, stderr);
  t.match(stdout, "Nothing new");
  const after = await readState();
  t.equal(after.deployments[0]?.state, "good", "it has booted");
  t.strictSame(numbers(after), numbers(before));
});

await t.test("another image with another kernel, and back", async (t) => {
  const { status, stdout, stderr } = dockroot(
    "upgrade",
    "next:1",
    "--pull=never",
  );
  t.equal(status, 0, stderr + stdout);
  t.match(stdout, `to:   dockroot 2: next:1 (${SECOND})`);
  t.match(await readState(), { next: 2, reference: "system:1" });
  const followed = dockroot("switch", "next:1", "--pull=never");
  t.equal(followed.status, 0, followed.stderr);
  t.match(followed.stdout, "Nothing new");
  t.match(followed.stdout, "This machine follows next:1 from now on.");
  t.match(await readState(), { next: 2, reference: "next:1" });
  const back = dockroot("rollback", "1");
  t.equal(back.status, 0, back.stderr);
  t.match(
    back.stdout,
    `boots next from now on: dockroot 1: system:1 (${FIRST})`,
  );
  t.match(await readState(), { next: 1 });
  t.match(await system.read("grub/dockroot.cfg"), "docker_rwlayer-1");
});

await t.test("GRUB on btrfs cannot take back what boots once", async (t) => {
  const before = await readState();
  for (const flag of ["--dry-run", "--verbose"]) {
    const { status, stderr } = dockroot("rollback", "2", "--once", flag);
    t.equal(status, 1);
    t.match(stderr, /deployment 2 cannot boot just once: GRUB .* not write to/);
  }
  t.strictSame(await readState(), before);
});

await t.test("a menu that takes no writes changes nothing", async (t) => {
  const before = await readState();
  const lock = (flag: string) =>
    disk.look((top) => run(["chattr", flag, `${top}/grub/dockroot.cfg`]));
  await lock("+i");
  t.teardown(() => lock("-i"));
  const { status, stderr } = dockroot("rollback", "2");
  t.equal(status, 1, stderr);
  t.strictSame(await readState(), before);
});

await t.test("gc restores what a deployment has lost", async (t) => {
  const [first, second] = (await readState()).deployments;
  const directory = (kernel = "") => `dockroot/${kernel}`;
  const initrd = `${directory(first?.kernel.digest)}/initrd`;
  const before = await system.read(initrd);
  await disk.look(async (top) => {
    fs.truncateSync(`${top}/${initrd}`, 20);
    fs.removeSync(`${top}/${directory(second?.kernel.digest)}`);
    const id = disk.ids["system:1"].replace("sha256:", "");
    const kept = `${top}/.dockroot/images/${id}`;
    await run(["btrfs", "subvolume", "delete", `${kept}/tree`]);
    fs.removeSync(kept);
  });
  const { status, stderr } = dockroot("gc");
  t.equal(status, 0, stderr);
  t.match(stderr, "the image system:1 was kept no longer, and is again");
  t.match(stderr, `kernel and initramfs ${FIRST} were missing or damaged`);
  t.match(stderr, `kernel and initramfs ${SECOND} were missing or damaged`);
  t.equal(await system.read(initrd), before);
  const { stderr: nothing } = dockroot("gc");
  t.equal(nothing, "");
  await disk.look((top) => {
    const at = `${top}/${directory(second?.kernel.digest)}`;
    t.strictSame(fs.readdirSync(at).sort(), ["initrd", "linux"]);
  });
});

await t.test("what cannot be restored holds nothing up", async (t) => {
  const [, second] = (await readState()).deployments;
  const id = second?.image.id.replace("sha256:", "") ?? "";
  const record = `.dockroot/images/${id}/image.json`;
  const text = await system.read(record);
  const write = (content: string) =>
    disk.look((top) => {
      fs.writeFileSync(`${top}/${record}`, content);
    });
  await write("{}");
  const { findings } = JSON.parse(dockroot("doctor", "--json").stdout) as {
    findings: Finding[];
  };
  const about = findings.filter(({ subject }) => subject === "deployments");
  t.match(about, [
    { severity: "warning", message: /^dockroot 2: .* is kept no longer$/ },
    { severity: "unknown", message: /^GRUB does not count boots/ },
    { severity: "ok", message: `dockroot 1: system:1 (${FIRST}) boots next` },
  ]);
  const { status, stderr } = dockroot("gc");
  t.equal(status, 0, stderr);
  t.match(stderr, `cannot restore dockroot 2: next:1 (${SECOND})`);
  const rollback = dockroot("rollback", "2");
  t.equal(rollback.status, 1);
  t.match((await readState()).next, 1, "what does not boot, is not next");
  await write(text);
});

await t.test("one is removed with all that is its own", async (t) => {
  const state = await readState();
  const refused = dockroot("remove", "1");
  t.equal(refused.status, 1);
  t.match(refused.stderr, "it runs");
  const { stdout: planned } = dockroot("remove", "2", "--dry-run");
  t.match(planned, `would be removed: dockroot 2: next:1 (${SECOND})`);
  t.strictSame(await readState(), state);
  const gone = state.deployments[1];
  const other = ".dockroot/other/deployments.json";
  await disk.look((top) => {
    fs.outputFileSync(`${top}/${other}`, "{");
  });
  const held = dockroot("remove", "2");
  t.equal(held.status, 0, held.stderr);
  t.match(held.stderr, `${other} is damaged: it may name any image`);
  t.notMatch(held.stdout, "removed:");
  t.notMatch(await system.read("grub/dockroot.cfg"), "next:1");
  await disk.look((top) => {
    const directory = `${top}/dockroot/${gone?.kernel.digest ?? ""}`;
    t.strictSame(fs.readdirSync(directory).sort(), ["initrd", "linux"]);
    t.equal(fs.readdirSync(`${top}/.dockroot/images`).length, 2);
    fs.removeSync(`${top}/${other}`);
    // Another disk with the same image.
    const entry = `menuentry x {\nlinux /dockroot/${gone?.kernel.digest ?? ""}/linux quiet\n}\n`;
    fs.appendFileSync(`${top}/grub/grub.cfg`, entry);
  });
  const { status, stdout, stderr } = dockroot("gc");
  t.equal(status, 0, stderr);
  t.match(stdout, `removing dockroot 2: next:1 (${SECOND})`);
  t.strictSame(numbers(await readState()), [1]);
  await disk.look((top) => {
    const directory = `${top}/dockroot/${gone?.kernel.digest ?? ""}`;
    t.ok(fs.existsSync(`${directory}/linux`), "an entry names it");
    fs.removeSync(directory);
    fs.writeFileSync(`${top}/grub/grub.cfg`, "source custom.cfg\n");
    const images = fs.readdirSync(`${top}/.dockroot/images`);
    t.strictSame(images, [disk.ids["system:1"].replace("sha256:", "")]);
  });
});

await t.test("gc names what no deployment has, and leaves it", async (t) => {
  const [former] = (await readState()).deployments;
  await disk.look((top) => fs.move(`${top}/${STATE}`, `${top}/renamed`));
  const named = dockroot("gc");
  t.equal(named.status, 0);
  t.equal(named.stderr, "", "the menu has it");
  const { status, stdout } = dockroot("switch", "next:1", "--pull=never");
  t.equal(status, 0);
  t.match(stdout, "to:   dockroot 2: next:1", "1 is what runs");
  const { stderr } = dockroot("gc");
  const image = `.dockroot/images/${former?.image.id.slice(7) ?? ""}/tree`;
  const files = `/dockroot/${former?.kernel.digest ?? ""}`;
  t.match(stderr, "no deployment has the kept image system:1: ");
  t.match(stderr, image);
  t.match(stderr, `no deployment on this disk has the boot files ${files} on `);
  await disk.look((top) => {
    t.ok(fs.existsSync(`${top}/${image}/sbin/init`));
    t.ok(fs.existsSync(`${top}${files}/linux`));
    fs.moveSync(`${top}/renamed`, `${top}/${STATE}`, { overwrite: true });
  });
  t.equal(dockroot("rollback", "1").status, 0);
});

await t.test("an image without a kernel changes nothing", async (t) => {
  const before = await readState();
  const { status, stderr } = dockroot("upgrade", "bare:1", "--pull=never");
  t.equal(status, 1);
  t.match(
    stderr,
    "the image bare:1 has no kernel with an initramfs and its modules",
  );
  t.strictSame(await readState(), before);
});
