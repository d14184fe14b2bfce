// runner: tier=all seconds=400 needs=two-kernels
import { readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import t, { type Test } from "tap";
import { openShell } from "../../fixtures/guest-shell.ts";
import { run } from "../../fixtures/run.ts";
import { createComputer } from "./computer.ts";

// Boot partitions of all kinds in one machine, one after the other: the kernel that runs the tests may
// have no FAT.

const DISK_BYTES = 512 * 1024 ** 2;

const computer = await createComputer(t, "boot-place", "two-kernels");
const disk = join(computer.workDir, "boot.img");
await makeEmptyDisk(disk);
t.teardown(() => rm(disk));
const vm = await computer.start(t, { moreDisks: [disk] });
const shell = await openShell(vm);

async function makeEmptyDisk(file: string): Promise<void> {
  await writeFile(file, "");
  await truncate(file, DISK_BYTES);
}

/** Runs it, whatever its status is. */
async function dockroot(
  command: string,
): Promise<{ readonly status: number; readonly text: string }> {
  const said = await shell(`dockroot ${command} 2>&1; echo "status $?"`);
  const [, text = "", status] = /^([^]*?)\n?status (\d+)$/.exec(said) ?? [];
  return { status: Number(status), text };
}

async function expectNext(t: Test, expected: number): Promise<void> {
  const { next } = JSON.parse(await shell("dockroot deployments --json")) as {
    next: number;
  };
  t.equal(next, expected);
}

async function expectNothingMounted(t: Test): Promise<void> {
  t.equal(await shell("grep /run/dockroot/ /proc/mounts || true"), "");
}

/** Files below a directory, on a partition that is mounted for that. */
async function listFiles(partition: string, below = ""): Promise<string[]> {
  const text = await shell(
    `mount -o ro ${partition} /mnt && cd /mnt && find ./${below} -type f && cd / && umount /mnt`,
  );
  return text.split("\n").toSorted();
}

type Partitions = readonly (readonly [type: string, mib: number])[];

/** Without the copy at the disk's end. */
const TABLE_BYTES = 34 * 512;

const ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const XBOOTLDR = "BC13C2FF-59E6-4262-A352-B275FD6F7172";
const LOADER_CONF = "timeout 0\n";

/** @returns a GPT for the disk, packed: the guest has no program that makes one */
async function makePartitionTable(types: Partitions): Promise<string> {
  const file = join(computer.workDir, "table.img");
  await makeEmptyDisk(file);
  const lines = types.map(
    ([type, mib]) => `size=${String(mib)}MiB, type=${type}\n`,
  );
  const input = `label: gpt\n${lines.join("")}`;
  await run(["sfdisk", "--quiet", file], { input });
  const table = await readFile(file);
  await rm(file);
  return gzipSync(table.subarray(0, TABLE_BYTES)).toString("base64");
}

/** Makes partitions of these sizes, with a file on the first one. */
async function partition(
  types: Partitions,
  file: string,
  text: string,
): Promise<void> {
  const table = await makePartitionTable(types);
  await shell(
    `echo ${table} | base64 -d | gzip -d | dd of=/dev/vdb conv=fsync && blockdev --rereadpt /dev/vdb && udevadm settle`,
  );
  for (const [index] of types.entries()) {
    await shell(`mkfs.fat -F 32 -s 1 /dev/vdb${String(index + 1)}`);
  }
  const target = `/mnt/${file}`;
  await shell(
    `mount /dev/vdb1 /mnt && mkdir -p $(dirname ${target}) && printf '${text.replaceAll("\n", "\\n")}' >${target} && umount /mnt`,
  );
}

/** Mounts it as the line of an fstab says. */
async function mountByFstab(
  source: string,
  at: string,
  options: string,
): Promise<void> {
  const unit = at.slice(1).replaceAll("/", "-");
  const kind = options.includes("automount") ? "automount" : "mount";
  await shell(
    `mkdir -p ${at} && echo '${source} ${at} vfat ${options} 0 0' >>/etc/fstab && systemctl daemon-reload && systemctl start ${unit}.${kind}`,
  );
}

/** The machine has no deployments. */
async function forget(): Promise<void> {
  await shell(
    "mount -o subvolid=5 LABEL=linux /mnt && rm /mnt/.dockroot/docker_rwlayer/deployments.json && umount /mnt",
  );
}

const entryOf = (n: number) =>
  `./loader/entries/dockroot_docker_rwlayer-${String(n)}-1.conf`;

/** Of a candidate, with its boots counted. */
const candidateOf = (n: number) => entryOf(n).replace(/\.conf$/, "+3-0.conf");

await t.test("an ESP and an XBOOTLDR partition, not mounted", async (t) => {
  const types = [
    [ESP, 64],
    [XBOOTLDR, 256],
  ] as const;
  await partition(types, "loader/loader.conf", LOADER_CONF);
  const { status, text } = await dockroot("upgrade demo:2 --pull never");
  t.equal(status, 0, text);
  t.strictSame(await listFiles("/dev/vdb1"), ["./loader/loader.conf"]);
  t.strictSame(await listFiles("/dev/vdb2", "loader"), [
    entryOf(1),
    candidateOf(2),
  ]);
  t.equal((await listFiles("/dev/vdb2", "dockroot")).length, 4);
  const doctor = await dockroot("doctor");
  t.match(
    doctor.text,
    `of ${candidateOf(2).slice(1)} on /dev/vdb2: kernel and initramfs are those of deployment 2`,
  );
  t.match(doctor.text, /dockroot 2: demo:2 \S+ boots next/);
  t.match(doctor.text, /\/dev\/vdb2 has .* room for 2 more deployments/);
  await expectNothingMounted(t);
});

await t.test("the same, mounted by fstab and by an automount", async (t) => {
  await mountByFstab("/dev/vdb1", "/efi", "defaults");
  await mountByFstab("/dev/vdb2", "/boot", "noauto,x-systemd.automount");
  const { status, text } = await dockroot("rollback");
  t.equal(status, 0, text);
  t.match(
    await shell("cat /efi/loader/loader.conf"),
    /^default dockroot_docker_rwlayer-1-1/m,
  );
  await expectNext(t, 1);
  const doctor = await dockroot("doctor");
  t.match(
    doctor.text,
    "of /boot/loader/entries/dockroot_docker_rwlayer-1-1.conf: kernel and initramfs are those of deployment 1",
  );
  t.notMatch(doctor.text, /\/efi has/);
  await expectNothingMounted(t);
});

await t.test("a menu that is read-only stays, and is told", async (t) => {
  await shell("mount -o remount,ro /efi");
  for (const command of ["rollback 2", "gc", "upgrade demo-other:2"]) {
    const { status, text } = await dockroot(command);
    t.equal(status, 1, text);
    t.match(text, "/efi is mounted read-only");
  }
  await shell("mount -o remount,rw /efi");
  await expectNext(t, 1);
});

await t.test("a full partition takes no deployment", async (t) => {
  t.match(await dockroot("remove 2"), { status: 0 });
  // A page that does not fit as a whole leaves its clusters: the last ones are written one by one.
  await shell("cat /dev/zero >/boot/others || true");
  await shell("dd if=/dev/zero bs=512 >>/boot/others || true");
  const before = await shell("find /boot/dockroot /boot/loader -type f");
  const { status, text } = await dockroot("upgrade demo:2 --pull never");
  t.equal(status, 1, text);
  t.match(text, "there is no room on /dev/vdb2 for kernel and initramfs");
  // Of the same kernel and initramfs, only its entry has no room.
  const other = await dockroot("upgrade demo-other:2 --pull never");
  t.equal(other.status, 1, other.text);
  await expectNext(t, 1);
  t.equal(await shell("find /boot/dockroot /boot/loader -type f"), before);
  const doctor = await dockroot("doctor");
  t.match(doctor.text, /\/boot has .* no room for one more deployment/);
  await shell("rm /boot/others");
});

await t.test("without boot partitions nothing changes", async (t) => {
  await shell("systemctl stop boot.automount boot.mount efi.mount");
  await shell("sed -i /vdb/d /etc/fstab && systemctl daemon-reload");
  await shell(
    "dd if=/dev/zero of=/dev/vdb bs=512 count=34 conv=fsync && blockdev --rereadpt /dev/vdb && udevadm settle",
  );
  for (const command of ["rollback", "gc", "upgrade demo-other:2"]) {
    const { status, text } = await dockroot(command);
    t.equal(status, 1, text);
    t.match(text, "no menu of systemd-boot was found");
  }
  const doctor = await dockroot("doctor");
  t.match(doctor.text, /cannot tell whether the boot menu boots deployment \d/);
  await forget();
});

await t.test("GRUB's menu on an ESP at /boot/efi", async (t) => {
  await partition(
    [[ESP, 64]],
    "grub/grub.cfg",
    "source ${config_directory}/custom.cfg\n",
  );
  await mountByFstab("/dev/vdb1", "/boot/efi", "defaults");
  const { status, text } = await dockroot("upgrade demo-other:2 --pull never");
  t.equal(status, 0, text);
  t.match(await shell("cat /boot/efi/grub/dockroot.cfg"), "linux /dockroot/");
  t.equal((await listFiles("-o subvolid=5 LABEL=linux", "dockroot")).length, 2);
  t.match((await dockroot("rollback")).text, "dockroot 1");
  await expectNext(t, 1);
  await shell("umount /boot/efi && sed -i /vdb/d /etc/fstab");
  await forget();
});

await t.test("an ESP at /boot has the boot files", async (t) => {
  await partition([[ESP, 200]], "loader/loader.conf", LOADER_CONF);
  await mountByFstab("/dev/vdb1", "/boot", "defaults");
  const { status, text } = await dockroot("upgrade demo-other:2 --pull never");
  t.equal(status, 0, text);
  t.match(await shell("ls /boot/dockroot/*"), /initrd\s+linux/);
  await expectNext(t, 2);
});
