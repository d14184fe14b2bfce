import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";
import {
  parseMachineReport,
  type MachineReport,
} from "../../fixtures/machine-report.ts";
import { buildMachine, type Machine } from "../../fixtures/machine.ts";
import {
  makeOverlay,
  startVm,
  type Vm,
  type VmDisk,
} from "../../fixtures/vm.ts";

/** The tutorial's computer, which can be started again and again. */
export interface Computer {
  readonly machine: Machine;
  readonly workDir: string;
  /** Turns it on with these kernel options besides the tutorial's; the last of a name counts. */
  readonly start: (
    t: Test,
    options?: string,
    moreDisks?: readonly VmDisk[],
  ) => Promise<Vm>;
}

const TUTORIAL =
  "root=LABEL=linux rootflags=subvol=docker_rwlayer rw docker_path=docker" +
  " toplayer=LABEL=linux toplayer_path=boot_docker";

const BOOT_TIMEOUT_MS = 5 * 60_000;
const OFF_TIMEOUT_MS = 2 * 60_000;

export async function createComputer(t: Test, name: string): Promise<Computer> {
  const machine = await buildMachine(async (step, work) => {
    t.comment(step);
    return work(() => undefined);
  });
  const workDir = join(import.meta.dirname, "../../.cache/test-vm", name);
  await rm(workDir, { recursive: true, force: true });
  const disk = await makeOverlay(machine.disk, join(workDir, "disk.qcow2"));
  let starts = 0;
  return {
    machine,
    workDir,
    start: async (t, options = "", moreDisks = []) => {
      starts += 1;
      const vm = await startVm({
        ...machine,
        workDir: join(workDir, `start-${String(starts)}`),
        disks: [disk, ...moreDisks],
        cmdline: `${TUTORIAL} console=ttyS0 ${options}`,
      });
      t.teardown(() => vm.stop());
      return vm;
    },
  };
}

/** Waits until the machine is up. */
export async function waitForReport(vm: Vm): Promise<MachineReport> {
  await vm.waitFor(/demo: start-up is complete/, BOOT_TIMEOUT_MS);
  for (;;) {
    const report = parseMachineReport(await vm.readReport());
    if (report !== undefined) return report;
    await sleep(100);
  }
}

export async function powerOff(vm: Vm): Promise<void> {
  vm.send("poweroff\r");
  await vm.waitForPowerOff(OFF_TIMEOUT_MS);
}
