// runner: tier=first seconds=4
import fs from "node:fs";
import path from "node:path";
import t from "tap";
import { run } from "../../../fixtures/run.ts";
import { isReadOnly } from "../../../runtime/host/files.ts";
import { runDockroot } from "../../binary/run-dockroot.ts";
import {
  attach,
  lookAt,
  makeBootDisk,
  newLabel,
  rehearse,
} from "../boot-disk.ts";

const disk = await makeBootDisk(t, "running-system");

await t.test("a root that is mounted is not replaced under it", async (t) => {
  const machine = rehearse(t, disk, "mounted");
  t.equal(machine.boot().status, 0);
  t.equal(machine.finish().status, 0);
  const before = await disk.subvolumes();
  await lookAt(
    disk.file,
    (root) => {
      fs.writeFileSync(`${root}/work`, "unsaved");
      const { status, stderr } = machine.boot();
      t.equal(status, 1);
      t.match(stderr, /the rwlayer mounted is in use: it is mounted at /);
      t.equal(machine.record().result, "fresh", "its record stays");
      t.equal(
        machine.boot("docker_image=gone dockroot.fallback=last").status,
        1,
      );
      t.equal(machine.record().result, "fresh");
      t.equal(machine.boot("", "--dry-run").status, 0, "--dry-run works");
      t.equal(fs.readFileSync(`${root}/work`, "utf8"), "unsaved");
    },
    ["subvol=mounted"],
  );
  t.strictSame(await disk.subvolumes(), before);
});

await t.test("a running system is refused, and its record stays", async (t) => {
  const machine = rehearse(t, disk, "refused");
  t.equal(machine.boot().status, 0);
  t.equal(machine.finish().status, 0);
  const record = machine.record();
  const refused = runDockroot("boot", "--run-dir", machine.runDirectory);
  t.match(refused, { status: 1, stderr: /this is not an initramfs/ });
  t.strictSame(machine.record(), record);
});

await t.test("a generation that is mounted is kept", async (t) => {
  const machine = rehearse(
    t,
    disk,
    "kept",
    "docker_image=system:1 dockroot.generations=0",
  );
  t.equal(machine.boot().status, 0);
  t.equal(machine.finish().status, 0);
  t.equal(machine.boot().status, 0);
  await lookAt(
    disk.file,
    (root) => {
      const { status, stderr } = machine.finish();
      t.equal(status, 0, stderr);
      t.match(stderr, /generations\/1 is mounted at .* and is kept/);
      t.ok(fs.existsSync(`${root}/sbin/init`));
    },
    ["subvol=.dockroot/kept/generations/1"],
  );
  t.equal(machine.boot().status, 0);
  t.equal(machine.finish().status, 0);
  const left = Object.keys(await disk.subvolumes());
  t.strictSame(
    left.filter((name) => name.includes("kept/")),
    [`.dockroot/kept/bases/${String(machine.record().boot)}`],
    "until it is free",
  );
});

await t.test("what a killed boot left mounted stops no other", async (t) => {
  const machine = rehearse(t, disk, "killed");
  const label = newLabel().slice(-16);
  const file = path.join(disk.scratch, "killed-top-layer");
  const tree = t.testdir({ etc: { hostname: "killed" } });
  await run(["mkfs.ext4", "-q", "-L", label, "-d", tree, file, "8M"]);
  const device = await attach(t, file);
  for (const name of ["toplevel", "toplayer"]) {
    const at = path.join(machine.runDirectory, name);
    fs.mkdirSync(at);
    await run(["mount", name === "toplevel" ? disk.device : device, at]);
  }
  const { status, stderr } = machine.boot(`toplayer=LABEL=${label}`);
  t.equal(status, 0, stderr);
  t.equal(machine.finish().status, 0);
  t.strictSame(
    (await disk.traces()).filter((line) => line.includes("killed/run")),
    [],
  );
});

await t.test(
  "a read-only rwlayer becomes a read-only generation",
  async (t) => {
    const machine = rehearse(t, disk, "frozen");
    t.equal(machine.boot().status, 0);
    t.equal(machine.finish().status, 0);
    await disk.look((top) =>
      run(["btrfs", "property", "set", "-ts", `${top}/frozen`, "ro", "true"]),
    );
    const { status, stderr } = machine.boot();
    t.equal(status, 0, stderr);
    t.equal(machine.finish().status, 0);
    await disk.look((top) => {
      t.ok(isReadOnly(`${top}/.dockroot/frozen/generations/1`));
      t.notOk(isReadOnly(`${top}/frozen`));
    });
  },
);

await t.test("a write-protected disk is told", async (t) => {
  const machine = rehearse(t, disk, "protected");
  await run(["blockdev", "--setro", disk.device]);
  const { status, stderr } = machine.boot();
  await run(["blockdev", "--setrw", disk.device]);
  t.equal(status, 1);
  t.match(stderr, /can only be mounted read-only/);
});

await t.test(
  "finish releases the disk even where it cannot tell what was booted",
  async (t) => {
    const machine = rehearse(t, disk, "forgotten");
    t.equal(machine.boot().status, 0);
    const record = path.join(machine.runDirectory, "boot.json");
    fs.writeFileSync(record, fs.readFileSync(record).subarray(0, 40));
    const { status, stderr } = machine.finish();
    t.equal(status, 1);
    t.match(stderr, /boot\.json is damaged/);
    t.notOk(fs.existsSync(path.join(machine.runDirectory, "toplevel")));
    fs.writeFileSync(record, '{"version":1,"result":"failed"}');
    t.match(machine.finish(), {
      status: 1,
      stderr: /has no record of a finished boot/,
    });
  },
);

await t.test("a run directory may be named through a link", async (t) => {
  const machine = rehearse(t, disk, "linked");
  const link = `${machine.runDirectory}-link`;
  fs.symlinkSync(machine.runDirectory, link);
  const flags = ["--run-dir", link];
  t.equal(machine.boot("", ...flags).status, 0);
  t.equal(machine.finish().status, 0);
  t.notOk(fs.existsSync(path.join(machine.runDirectory, "toplevel")));
});
