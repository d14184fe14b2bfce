// runner: tier=first seconds=25
import fs from "fs-extra";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import t from "tap";
import { makeDisk } from "../../../fixtures/loop-disk.ts";
import { run } from "../../../fixtures/run.ts";
import { undoLater } from "../../../fixtures/undo.ts";
import {
  attach,
  detach,
  lookAt,
  makeBootDisk,
  newLabel,
  rehearse,
} from "../boot-disk.ts";
import { failuresOn } from "../failures.ts";

const disk = await makeBootDisk(t, "devices");
const fails = failuresOn(disk);
const subvolume = (command: string, ...args: string[]) =>
  run(["btrfs", "subvolume", command, ...args]);

await t.test(
  "subvol= may be a path with slashes, beside other flags",
  async (t) => {
    await disk.look((top) => {
      fs.mkdirpSync(`${top}/systems/blue`);
    });
    const machine = rehearse(t, disk, "systems/blue/root");
    const options =
      "rootflags=noatime,subvol=/systems/blue/root/,compress=zstd:1";
    for (let starts = 1; starts <= 2; starts += 1) {
      const { status, stderr } = machine.boot(options);
      t.equal(status, 0, stderr);
      const topLevel = path.join(machine.runDirectory, "toplevel");
      const mount = fs
        .readFileSync("/proc/self/mountinfo", "utf8")
        .split("\n")
        .find((line) => line.includes(` ${topLevel} `));
      t.match(mount, /noatime.*compress=zstd:1.*subvolid=5/);
      t.equal(machine.finish().status, 0);
    }
    const subvolumes = await disk.subvolumes();
    t.equal(subvolumes["systems/blue/root"], machine.record().subvolumeUuid);
    t.ok(subvolumes[".dockroot/systems%2Fblue%2Froot/generations/1"]);
  },
);

await t.test(
  "a default subvolume of the filesystem changes nothing",
  async (t) => {
    const machine = rehearse(t, disk, "default");
    await disk.look(async (top) => {
      await subvolume("create", `${top}/the-default`);
      await subvolume("set-default", `${top}/the-default`);
    });
    const { status, stderr } = machine.boot();
    t.equal(status, 0, stderr);
    t.equal(machine.finish().status, 0);
    t.equal(
      (await disk.subvolumes())["default"],
      machine.record().subvolumeUuid,
    );
    await disk.look((top) => subvolume("set-default", "5", top));
  },
);

await t.test("root= names the device in each way", async (t) => {
  const machine = rehearse(t, disk, "named");
  const link = `/dev/${disk.label}`;
  t.teardown(undoLater(() => fs.remove(link)));
  fs.symlinkSync(path.basename(disk.device), link);
  const uuid = await run([
    ...["blkid", "-c", "/dev/null", "-o", "value", "-s", "UUID", disk.device],
  ]);
  for (const root of [
    `UUID=${uuid}`,
    disk.device,
    link,
    `LABEL=${disk.label}`,
  ]) {
    const { status, stderr } = machine.boot(`root=${root}`);
    t.equal(status, 0, `${root}: ${stderr}`);
    t.equal(machine.finish().status, 0);
  }
  const spaced = `${disk.label} my disk`;
  await run(["btrfs", "filesystem", "label", disk.device, spaced]);
  const quoted = machine.boot(`"root=LABEL=${spaced}"`);
  t.equal(quoted.status, 0, quoted.stderr);
  t.equal(machine.finish().status, 0);
  const otherQuotes = machine.boot(`root="LABEL=${spaced}"`);
  t.equal(otherQuotes.status, 0, otherQuotes.stderr);
  t.equal(machine.finish().status, 0);
  await run(["btrfs", "filesystem", "label", disk.device, disk.label]);
});

await t.test(
  "root= can name a partition by its own label and UUID",
  async (t) => {
    const machine = rehearse(t, disk, "partition");
    const name = newLabel();
    const file = path.join(disk.scratch, "partitioned");
    fs.writeFileSync(file, "");
    fs.truncateSync(file, 128 * 1024 ** 2);
    await run(["sfdisk", "--quiet", file], {
      input: `label: gpt\nname=${name}\n`,
    });
    const device = await attach(t, file);
    await run(["partx", "--add", device]);
    t.teardown(() => run(["partx", "--delete", device]).catch(() => undefined));
    await run(["mkfs.btrfs", "--quiet", `${device}p1`]);
    const id = await run([
      ...["blkid", "-p", "-o", "value", "-s", "PART_ENTRY_UUID", `${device}p1`],
    ]);
    for (const root of [`PARTLABEL=${name}`, `PARTUUID=${id}`]) {
      // An empty filesystem: that there is no store in it is known once it was found and mounted.
      const { status, stderr } = machine.boot(`root=${root}`);
      t.equal(status, 1);
      t.match(stderr, "there is no image store at docker");
    }
    await run(["partx", "--delete", device]);
    await detach(file);
  },
);

await t.test("a disk that appears late is waited for", async (t) => {
  const machine = rehearse(t, disk, "late");
  await detach(disk.file);
  const appears = spawn("sh", [
    ...["-c", `sleep 3; exec losetup --find "$0"`, disk.file],
  ]);
  const appeared = once(appears, "exit");
  t.teardown(() => appears.kill());
  const { status, stderr } = machine.boot();
  await appeared;
  t.equal(status, 0, stderr);
  t.match(
    stderr,
    `still running after 1 s: find the root device LABEL=${disk.label}`,
  );
  t.equal(machine.finish().status, 0);
  const { durationMs = 0 } =
    machine
      .record()
      .steps.find(({ step }) => step.startsWith("find the root device")) ?? {};
  t.ok(durationMs > 1000, `after ${String(durationMs)} ms`);
});

await t.test("a top layer's disk that appears late, too", async (t) => {
  const machine = rehearse(t, disk, "late-layer");
  const label = newLabel().slice(-16);
  const file = await makeTopLayerFile("late-layer.img", label);
  t.teardown(undoLater(() => detach(file)));
  const appears = spawn("sh", [
    ...["-c", `sleep 3; exec losetup --find "$0"`, file],
  ]);
  const appeared = once(appears, "exit");
  t.teardown(() => appears.kill());
  const { status, stderr } = machine.boot(`toplayer=LABEL=${label}`);
  await appeared;
  t.equal(status, 0, stderr);
  t.match(
    stderr,
    `still running after 1 s: find the top layer's device LABEL=${label}`,
  );
  t.equal(machine.finish().status, 0);
  await disk.look((top) => {
    t.equal(fs.readFileSync(`${top}/late-layer/etc/layer`, "utf8"), label);
  });
  await detach(file);
});

await t.test("a top layer's label that two filesystems have", async (t) => {
  const machine = rehearse(t, disk, "ambiguous-layer");
  const label = newLabel().slice(-16);
  const files = [
    await makeTopLayerFile("layer-one.img", label),
    await makeTopLayerFile("layer-two.img", label),
  ];
  const devices: string[] = [];
  for (const file of files) devices.push(await attach(t, file));
  await fails(t, machine, `toplayer=LABEL=${label}`, "DEVICE_AMBIGUOUS", [
    label,
    ...devices,
  ]);
  const [first = ""] = devices;
  const { status, stderr } = machine.boot(`toplayer=${first}`);
  t.equal(status, 0, stderr);
  t.equal(machine.finish().status, 0);
  for (const file of files) await detach(file);
});

await t.test(
  "a disk that does not appear is told, with those that are there",
  async (t) => {
    const machine = rehearse(t, disk, "absent");
    const label = newLabel();
    await fails(
      t,
      machine,
      `root=LABEL=${label} rootdelay=1`,
      "DEVICE_NOT_FOUND",
      [
        ...[`LABEL=${label}`, "1 s", disk.device, `LABEL=${disk.label}`],
        "rootdelay=",
      ],
    );
    await fails(
      t,
      machine,
      "root=/dev/nowhere rootdelay=1",
      "DEVICE_NOT_FOUND",
      ["/dev/nowhere"],
    );
    await fails(t, machine, "root=/dev/null rootdelay=0", "DEVICE_NOT_FOUND", [
      "/dev/null",
    ]);
  },
);

await t.test("a label that two filesystems have names neither", async (t) => {
  const machine = rehearse(t, disk, "ambiguous");
  const file = path.join(disk.scratch, "twin");
  await makeDisk(file, { label: disk.label, sizeBytes: 128 * 1024 ** 2 });
  const twin = await attach(t, file);
  await fails(t, machine, "", "DEVICE_AMBIGUOUS", [
    disk.label,
    disk.device,
    twin,
  ]);
  t.not(twin, disk.device);
  const { status, stderr } = machine.boot(`root=${disk.device}`);
  t.equal(status, 0, stderr);
  t.equal(machine.finish().status, 0);
  await detach(file);
});

await t.test("a disk without btrfs is refused", async (t) => {
  const machine = rehearse(t, disk, "unsuitable");
  const label = newLabel().slice(-16);
  const file = path.join(disk.scratch, "ext4");
  fs.writeFileSync(file, "");
  fs.truncateSync(file, 16 * 1024 ** 2);
  await run(["mkfs.ext4", "-q", "-L", label, file]);
  const device = await attach(t, file);
  await fails(t, machine, `root=LABEL=${label}`, "DEVICE_UNSUITABLE", [
    device,
    "ext4",
  ]);
  await fails(t, machine, `root=${device}`, "DEVICE_UNSUITABLE", ["ext4"]);
  await detach(file);
});

await t.test("a copy of the disk is never taken for it", async (t) => {
  const machine = rehearse(t, disk, "copied");
  const file = path.join(disk.scratch, "copy");
  fs.copySync(disk.file, file);
  const copy = await attach(t, file);
  await fails(t, machine, "", "DEVICE_AMBIGUOUS", [
    "a filesystem and a copy of it",
    disk.device,
    copy,
  ]);
  await detach(file);
  const { status, stderr } = machine.boot();
  t.equal(status, 0, stderr);
  t.equal(machine.finish().status, 0);
});

await t.test("a btrfs on two devices", async (t) => {
  const machine = rehearse(t, disk, "mirrored");
  const [first, second] = [`${disk.scratch}/one`, `${disk.scratch}/two`];
  await run(["cp", "--sparse=always", "--", disk.file, first]);
  await detach(disk.file);
  fs.writeFileSync(second, "");
  fs.truncateSync(second, fs.statSync(first).size);
  await attach(t, first);
  const added = await attach(t, second);
  await lookAt(
    first,
    async (top) => {
      await run(["btrfs", "device", "add", added, top]);
      await run([
        ...["btrfs", "balance", "start", "-dconvert=raid1", "-mconvert=raid1"],
        top,
      ]);
    },
    ["subvolid=5"],
  );
  const boots = async (options: string, flags: readonly string[]) => {
    const { status, stderr } = machine.boot(options);
    t.equal(status, 0, stderr);
    t.equal(machine.finish().status, 0);
    const shown = await lookAt(
      first,
      (top) => run(["btrfs", "subvolume", "show", `${top}/mirrored`]),
      ["subvolid=5", ...flags],
    );
    t.match(shown, machine.record().subvolumeUuid);
    return stderr;
  };
  await boots("", []);

  await takeAway(second);
  const missing = machine.boot("rootdelay=1");
  t.equal(missing.status, 1);
  t.match(missing.stderr, /another device of the btrfs on .* did not appear/);
  t.match(missing.stderr, /rootflags=subvol=\.\.\.,degraded/);
  t.equal(machine.record().failure?.code, "DEVICE_NOT_FOUND");

  const appears = spawn("sh", [
    ...["-c", `sleep 2; exec losetup --find "$0"`, second],
  ]);
  const appeared = once(appears, "exit");
  t.teardown(() => appears.kill());
  await boots("rootdelay=9", []);
  await appeared;

  await takeAway(second);
  t.match(
    await boots("rootdelay=1 rootflags=subvol=mirrored,degraded", ["degraded"]),
    /warning: a device of the btrfs on .* is missing/,
  );
  await takeAway(first);
  await attach(t, disk.file);
});

/** The kernel remembers a device of a btrfs that is gone, and names of devices serve again. */
async function takeAway(file: string): Promise<void> {
  const device = await run([
    ...["losetup", "--list", "--noheadings", "--output=NAME"],
    ...["--associated", file],
  ]);
  await detach(file);
  await run(["btrfs", "device", "scan", "--forget", device]);
}

async function makeTopLayerFile(name: string, label: string): Promise<string> {
  const file = path.join(disk.scratch, name);
  const tree = `${file}-tree`;
  fs.mkdirpSync(`${tree}/etc`);
  fs.writeFileSync(`${tree}/etc/layer`, label);
  fs.writeFileSync(file, "");
  fs.truncateSync(file, 16 * 1024 ** 2);
  await run(["mkfs.ext4", "-q", "-L", label, "-d", tree, file]);
  return file;
}
