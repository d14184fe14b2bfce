import { link, mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Test } from "tap";
import { openShell, type GuestShell } from "../../fixtures/guest-shell.ts";
import { makeOverlay } from "../../fixtures/loop-disk.ts";
import { machineIn, type Machine } from "../../fixtures/machine.ts";
import {
  findMachine,
  isOverlayKind,
  type MachineKind,
} from "../../fixtures/machine-kinds.ts";
import {
  parseMachineReports,
  type MachineReport,
} from "../../fixtures/machine-report.ts";
import { scaleTimeout } from "../../fixtures/slowness.ts";
import {
  LEAN_KERNEL_OPTIONS,
  startVm,
  type Firmware,
  type Vm,
  type VmDisk,
} from "../../fixtures/vm.ts";

/** The tutorial's computer, which can be started again and again. */
export interface Computer {
  /** Its disk is the one below `overlay`, and stays as it is. */
  readonly machine: Machine;
  /** Its disk, a qcow2 file. */
  readonly overlay: string;
  readonly workDir: string;
  /** Where the machine's files come from, with what else belongs to its kind. */
  readonly cached: string;
  /** Turns it on; what it is turned on with is gone at the test's end. */
  readonly start: (t: Test, options?: StartOptions) => Promise<Vm>;
}

export interface StartOptions {
  /** Kernel options besides the tutorial's; the last of a name counts. */
  readonly cmdline?: string;
  /**
   * How far the system comes up: to a login on its console, as it does at its user's, or, sooner, to
   * basic.target with a shell on its third serial port. Default: `shell`.
   */
  readonly upTo?: "login" | "shell";
  readonly moreDisks?: readonly VmDisk[];
  /** In place of its own. */
  readonly disk?: VmDisk;
  readonly initramfs?: string;
  /** It loads what a disk has: the options above that are the kernel's do not count. */
  readonly firmware?: Firmware;
}

const SUBVOLUME = "rootflags=subvol=docker_rwlayer";

const TUTORIAL =
  "root=LABEL=linux rw docker_path=docker" +
  " toplayer=LABEL=linux toplayer_path=boot_docker";

/** systemd's own limit for a mount, 90 s, is too short for an emulated machine on a busy host. */
const UNIT_TIMEOUT_MS = 10 * 60_000;
/** All of it is systemd's own: the image and the top layer have no part for tests. */
const SHELL_TARGET =
  "systemd.unit=basic.target systemd.wants=dockroot-demo.service systemd.debug_shell=ttyS2";

const BOOT_TIMEOUT_MS = 3 * 60_000;
const OFF_TIMEOUT_MS = 2 * 60_000;
const PROMPT_TIMEOUT_MS = 30_000;

/** What OVMF says on the first serial port; what it says after that may be lost when a kernel takes the port. */
export const STARTS_LOADER = /BdsDxe: loading /;

/** @param name of the directory that it works in */
export async function createComputer(
  t: Test,
  name: string,
  kind: MachineKind = "demo",
): Promise<Computer> {
  const workDir = join(import.meta.dirname, "../../.cache/test-vm", name);
  await rm(workDir, { recursive: true, force: true });
  await mkdir(workDir, { recursive: true });
  const found = await findMachine(kind, async (step, work) => {
    t.comment(step);
    return work(() => undefined);
  });
  const machine = await linkMachine(found, workDir);
  t.teardown(() => rm(machine.disk));
  const overlay = join(workDir, "disk.qcow2");
  await makeOverlay(machine.disk, overlay);
  t.teardown(() => rm(overlay));
  let starts = 0;
  return {
    ...{ machine, overlay, workDir, cached: dirname(found.disk) },
    start: async (
      t,
      {
        cmdline = "",
        upTo = "shell",
        moreDisks = [],
        disk = { overlay },
        initramfs = machine.initramfs,
        firmware,
      } = {},
    ) => {
      starts += 1;
      const vm = await startVm({
        ...(firmware === undefined
          ? {
              ...{ kernel: machine.kernel, initramfs },
              cmdline: composeCmdline(
                upTo,
                cmdline,
                isOverlayKind(kind) ? "" : SUBVOLUME,
              ),
            }
          : { firmware }),
        workDir: join(workDir, `start-${String(starts)}`),
        disks: [disk, ...moreDisks],
      });
      t.teardown(() => vm.stop());
      return vm;
    },
  };
}

/**
 * @param more options besides the tutorial's; the last of a name counts
 * @param root which root: the tutorial's
 */
export function composeCmdline(
  upTo: "login" | "shell",
  more: string,
  root = SUBVOLUME,
): string {
  const unitTimeoutS = Math.ceil(scaleTimeout(UNIT_TIMEOUT_MS) / 1000);
  return [
    ...[TUTORIAL, root, LEAN_KERNEL_OPTIONS],
    ...(upTo === "shell" ? [SHELL_TARGET] : []),
    `systemd.default_timeout_start_sec=${String(unitTimeoutS)}`,
    // Of the kernel only errors: under load, its lines and a program's garble each other.
    ...["console=ttyS0 loglevel=4", more],
  ].join(" ");
}

/** The cache forgets a machine when another executable is built, which may be while this one runs. */
async function linkMachine(
  machine: Machine,
  directory: string,
): Promise<Machine> {
  const linked = machineIn(directory, machine.images);
  for (const file of ["disk", "kernel", "initramfs"] as const) {
    await link(machine[file], linked[file]);
  }
  return linked;
}

/** Waits until the machine is up. */
export function waitForReport(vm: Vm): Promise<MachineReport> {
  return vm.waitUntil("reported", BOOT_TIMEOUT_MS, async () =>
    parseMachineReports(await vm.readReport()).at(-1),
  );
}

/** Waits, in a shell of the initramfs, until dockroot waits to be told that it may touch disks. */
export async function waitForDockroot(shell: GuestShell): Promise<void> {
  // klibc has no grep.
  const log = '"$(cat /run/dockroot/boot.log)"';
  const says = `case ${log} in *"waiting for /run/dockroot/go"*) ;; *) false ;; esac`;
  await shell(`until ${says}; do sleep 1; done`);
}

/** As its user does it. */
export async function powerOff(vm: Vm): Promise<void> {
  vm.send("poweroff\r");
  await vm.waitForPowerOff(OFF_TIMEOUT_MS);
}

/** The same, from the shell on the third serial port. */
export async function powerOffFromShell(vm: Vm): Promise<void> {
  vm.debugConsole.send("systemctl poweroff\r");
  await vm.waitForPowerOff(OFF_TIMEOUT_MS);
}

/**
 * Restarts it from the shell on the third serial port, at once: what is not on the disk is lost. Returns when firmware
 * starts what its boot loader has next.
 */
export async function resetFromShell(vm: Vm): Promise<void> {
  // The next prompt that is seen is to be that of the next boot.
  await vm.debugConsole.waitFor(/# /, PROMPT_TIMEOUT_MS);
  vm.debugConsole.send("echo b >/proc/sysrq-trigger\r");
  await vm.waitFor(STARTS_LOADER, OFF_TIMEOUT_MS);
}

/** Pulls the plug when what was written is on the disk. */
export async function syncAndTurnOff(vm: Vm): Promise<void> {
  const shell = await openShell(vm);
  await shell("sync");
  await vm.stop();
}
