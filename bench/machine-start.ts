import { join } from "node:path";
import { startVm } from "../fixtures/vm.ts";
import type { Sample } from "./comparison.ts";
import type { Bench, Entry } from "./entry.ts";
import { parseKernelLog } from "./parse-kernel-log.ts";
import { makeMachines, type MeasuredMachine } from "./vm-machines.ts";

const TIMEOUT_MS = 5 * 60_000;
const MAX_RUNS = 5;

export const machineStart: Entry = {
  name: "vm",
  describe:
    "in QEMU, from the kernel's first line to root mounted: with dockroot, with the shell script, with neither",
  measure,
};

async function measure({
  scratch,
  progress,
  executables,
  compare,
}: Bench): Promise<void> {
  const machines = await makeMachines(scratch, progress, executables);
  await compare({
    title: "a machine in QEMU: from the kernel's first line to root mounted",
    unit: "ms",
    maxRuns: MAX_RUNS,
    contenders: machines.map((machine) => ({
      name: machine.name,
      measure: () => startMachine(machine, join(scratch, "vm")),
    })),
  });
}

async function startMachine(
  { disk, kernel, initramfs, cmdline }: MeasuredMachine,
  workDir: string,
): Promise<Sample> {
  const vm = await startVm({
    ...{ kernel, initramfs, workDir },
    disks: [{ template: disk }],
    // What the console shows takes an emulated machine's time.
    cmdline: `${cmdline} init=/sbin/bench-init console=ttyS0 quiet loglevel=1`,
  });
  try {
    await vm.waitForPowerOff(TIMEOUT_MS);
    return parseKernelLog(await vm.readReport());
  } finally {
    await vm.stop();
  }
}
