// runner: tier=all seconds=300 needs=crypt,dracut
import { rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { openShell } from "../../fixtures/guest-shell.ts";
import { makeOverlay } from "../../fixtures/loop-disk.ts";
import { findMachine } from "../../fixtures/machine-kinds.ts";
import type { Progress } from "../../fixtures/progress.ts";
import {
  createComputer,
  powerOffFromShell,
  syncAndTurnOff,
  waitForReport,
} from "./computer.ts";

const DISK_BYTES = 4 * 1024 ** 3;
const PROMPT_TIMEOUT_MS = 5 * 60_000;
/** What cryptsetup's script asks in initramfs-tools, and systemd in dracut. */
const LOCKED = /Please (unlock disk|enter passphrase)[^\n]*: /i;
const PASSPHRASE = "correct horse";
const LUKS_UUID = "5b8e7c0a-2d44-4b7e-9f5e-0c1d2e3f4a5b";

/** What lies between disk and btrfs. */
interface RootKind {
  readonly name: string;
  /** Makes /dev/mapper/linux of /dev/vdb, in the machine: not every host has a device mapper. */
  readonly make: string;
  /** What lsblk says of it. */
  readonly type: string;
  readonly isLocked: boolean;
  /** The kernel options for each generator, the device's place in the machine being /dev/vda. */
  readonly options: Readonly<Record<string, string>>;
}

const KINDS: readonly RootKind[] = [
  {
    name: "LUKS",
    type: "crypt",
    isLocked: true,
    make: [
      `printf '${PASSPHRASE}' >/run/key`,
      "cryptsetup luksFormat --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000" +
        ` --uuid ${LUKS_UUID} --key-file /run/key /dev/vdb`,
      "cryptsetup open --key-file /run/key /dev/vdb linux",
    ].join(" && "),
    options: {
      "initramfs-tools": `cryptopts=target=linux,source=UUID=${LUKS_UUID}`,
      dracut: `rd.luks.name=${LUKS_UUID}=linux`,
    },
  },
  {
    name: "LVM",
    type: "lvm",
    isLocked: false,
    make: "vgcreate --quiet pc /dev/vdb && lvcreate --quiet --extents 100%FREE --name linux pc",
    options: {
      "initramfs-tools": "root=/dev/mapper/pc-linux",
      dracut: "rd.lvm.lv=pc/linux",
    },
  },
];

const computer = await createComputer(t, "roots", "crypt");
const silent: Progress = (_name, work) => work(() => undefined);
const dracut = await findMachine("dracut", silent);
const initramfsOf: Readonly<Record<string, string>> = {
  "initramfs-tools": computer.machine.initramfs,
  dracut: dracut.initramfs,
};

for (const kind of KINDS) {
  const disk = join(computer.workDir, `${kind.type}.img`);
  t.teardown(() => rm(disk, { force: true }));
  await t.test(`a computer is moved onto ${kind.name}`, async (t) => {
    await writeFile(disk, "");
    await truncate(disk, DISK_BYTES);
    await moveOnto(t, kind, disk);
  });
  for (const [name, initramfs] of Object.entries(initramfsOf)) {
    await t.test(`it comes up from there, with ${name}`, async (t) => {
      const vm = await computer.start(t, {
        cmdline: kind.options[name] ?? "",
        ...{ initramfs, disk },
      });
      if (kind.isLocked) {
        await vm.waitFor(LOCKED, PROMPT_TIMEOUT_MS);
        vm.send(`${PASSPHRASE}\r`);
      }
      const { boot, root, systemd, failedUnits } = await waitForReport(vm);
      t.equal(systemd, "running", failedUnits);
      t.equal(boot.image?.id, computer.machine.images["demo:latest"]);
      t.equal(root.filesystems[0]?.fsroot, "/docker_rwlayer");
      t.strictSame(boot.warnings, []);
      const shell = await openShell(vm);
      t.match(
        await shell("lsblk --noheadings --output TYPE,MOUNTPOINTS"),
        new RegExp(`^${kind.type} .*/`, "m"),
      );
      await powerOffFromShell(vm);
    });
  }
}

/** Moves the filesystem, root, store and all, from its disk to another: it keeps its label and UUID. */
async function moveOnto(t: Test, kind: RootKind, disk: string): Promise<void> {
  const former = join(computer.workDir, "former.qcow2");
  await makeOverlay(computer.machine.disk, former);
  const vm = await computer.start(t, {
    disk: { overlay: former },
    moreDisks: [disk],
  });
  const { systemd } = await waitForReport(vm);
  t.equal(systemd, "running");
  const shell = await openShell(vm);
  await shell(kind.make);
  const device = kind.type === "lvm" ? "pc-linux" : "linux";
  await shell(`btrfs device add -f -K /dev/mapper/${device} /`);
  await shell("btrfs device remove /dev/vda /");
  await syncAndTurnOff(vm);
  await rm(former);
}
