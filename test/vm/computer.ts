import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Test } from "tap";
import {
  parseMachineReport,
  type MachineReport,
} from "../../fixtures/machine-report.ts";
import type { GuestShell } from "../../fixtures/guest-shell.ts";
import { createMachine, type Machine } from "../../fixtures/machine.ts";
import { startVm, type Vm } from "../../fixtures/vm.ts";

/** The tutorial's computer, which can be started again and again. */
export interface Computer {
  readonly machine: Machine;
  readonly workDir: string;
  /** Turns it on with these kernel options besides the tutorial's; the last of a name counts. */
  readonly start: (
    t: Test,
    options?: string,
    moreDisks?: readonly string[],
    /** What is to be another than in this computer. */
    other?: Partial<Machine>,
  ) => Promise<Vm>;
}

const TUTORIAL =
  "root=LABEL=linux rootflags=subvol=docker_rwlayer rw docker_path=docker" +
  " toplayer=LABEL=linux toplayer_path=boot_docker";

/**
 * A host that has no time for an emulated machine for a minute (seen: "soft lockup - CPU#0 stuck for
 * 52s") makes a mount take longer than the 90 s that systemd gives it.
 */
const PATIENCE = "systemd.default_timeout_start_sec=600";
/** Without what costs an emulated processor an eighth of a start, and is not what is tested. */
const LEAN = "mitigations=off audit=0 apparmor=0 nokaslr";

const BOOT_TIMEOUT_MS = 5 * 60_000;
const OFF_TIMEOUT_MS = 5 * 60_000;

/** @param change what is to be another than in the demo's machine; gets a directory to work in */
export async function createComputer(
  t: Test,
  name: string,
  change: (machine: Machine, workDir: string) => Promise<Machine> = (machine) =>
    Promise.resolve(machine),
): Promise<Computer> {
  const workDir = join(import.meta.dirname, "../../.cache/test-vm", name);
  await rm(workDir, { recursive: true, force: true });
  const demo = await createMachine(workDir, async (step, work) => {
    t.comment(step);
    return work(() => undefined);
  });
  t.teardown(() => rm(demo.disk));
  const machine = await change(demo, workDir);
  let starts = 0;
  return {
    machine,
    workDir,
    start: async (t, options = "", moreDisks = [], other = {}) => {
      starts += 1;
      const { disk, ...started } = { ...machine, ...other };
      const vm = await startVm({
        ...started,
        workDir: join(workDir, `start-${String(starts)}`),
        disks: [disk, ...moreDisks],
        // Of the kernel only errors: under load, its lines and a program's garble each other.
        cmdline: `${TUTORIAL} ${PATIENCE} ${LEAN} console=ttyS0 loglevel=4 ${options}`,
      });
      t.teardown(() => vm.stop());
      return vm;
    },
  };
}

/** Waits until the machine is up. */
export function waitForReport(vm: Vm): Promise<MachineReport> {
  return vm.waitUntil("reported", BOOT_TIMEOUT_MS, async () =>
    parseMachineReport(await vm.readReport()),
  );
}

/** Waits, in a shell of the initramfs, until dockroot waits to be told that it may touch disks. */
export async function waitForDockroot(shell: GuestShell): Promise<void> {
  // klibc has no grep.
  const log = '"$(cat /run/dockroot/boot.log)"';
  const says = `case ${log} in *"waiting for /run/dockroot/go"*) ;; *) false ;; esac`;
  await shell(`until ${says}; do sleep 1; done`);
}

export async function powerOff(vm: Vm): Promise<void> {
  vm.send("poweroff\r");
  await vm.waitForPowerOff(OFF_TIMEOUT_MS);
}
