import fs from "fs-extra";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import t from "tap";
import { makeBtrfsDisk } from "../../fixtures/loop-disk.ts";
import { run } from "../../fixtures/run.ts";
import {
  attach,
  detach,
  makeBootDisk,
  newLabel,
  rehearse,
} from "./boot-disk.ts";
import { failuresOn } from "./failures.ts";

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
  fs.symlinkSync(path.basename(disk.device), link);
  t.teardown(() => {
    fs.removeSync(link);
  });
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
      t.match(stderr, "there is no image store at docker_path=docker");
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
    `still at it after 1 s: find the root device LABEL=${disk.label}`,
  );
  t.equal(machine.finish().status, 0);
  const [{ durationMs } = { durationMs: 0 }] = machine.record().steps;
  t.ok(
    durationMs > 2500 && durationMs < 5000,
    `after ${String(durationMs)} ms`,
  );
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
  await makeBtrfsDisk(file, { label: disk.label, sizeBytes: 128 * 1024 ** 2 });
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
  const label = newLabel();
  const files = ["one", "two"].map((name) => path.join(disk.scratch, name));
  const devices: string[] = [];
  for (const file of files) {
    fs.writeFileSync(file, "");
    fs.truncateSync(file, 256 * 1024 ** 2);
    devices.push(await attach(t, file));
  }
  const [first = "", second = ""] = files;
  await run([
    ...["mkfs.btrfs", "--quiet", "--label", label],
    ...["--data", "raid1", "--metadata", "raid1", ...devices],
  ]);
  const machine = rehearse(t, disk, "mirrored");
  const options = `root=LABEL=${label} rootdelay=6`;
  // An empty filesystem: that there is no store in it is known once it was mounted.
  const isMounted = /there is no image store at docker_path=docker/;
  t.match(machine.boot(options).stderr, isMounted);

  await detach(second);
  await run(["btrfs", "device", "scan", "--forget"]);
  const missing = machine.boot(`${options} rootdelay=1`);
  t.equal(missing.status, 1);
  t.match(missing.stderr, /another device of the btrfs on .* did not appear/);
  t.match(missing.stderr, /rootflags=subvol=\.\.\.,degraded/);
  t.equal(machine.record().failure?.code, "DEVICE_NOT_FOUND");

  const appears = spawn("sh", [
    ...["-c", `sleep 2; exec losetup --find "$0"`, second],
  ]);
  const appeared = once(appears, "exit");
  t.teardown(() => appears.kill());
  t.match(machine.boot(options).stderr, isMounted, "a late one is waited for");
  await appeared;

  await detach(second);
  await run(["btrfs", "device", "scan", "--forget"]);
  const degraded = machine.boot(
    `${options} rootdelay=1 rootflags=subvol=mirrored,degraded`,
  );
  t.match(degraded.stderr, /warning: a device of the btrfs on .* is missing/);
  t.match(degraded.stderr, isMounted);
  await detach(first);
});
