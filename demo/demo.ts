/**
 * Builds a computer that boots into a Docker image, moves it to an image with another kernel and back, and says what
 * that has proved. With --shell the computer stays on, with a login on this terminal.
 */
import { existsSync } from "node:fs";
import { link, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs, styleText } from "node:util";
import { layOutEsp, makeFirmware } from "../fixtures/boot-loaders.ts";
import {
  findBootPackages,
  type BootPackages,
} from "../fixtures/boot-packages.ts";
import { makeEspDisk } from "../fixtures/esp-disk.ts";
import { makeOverlay } from "../fixtures/loop-disk.ts";
import {
  parseMachineReports,
  type MachineReport,
} from "../fixtures/machine-report.ts";
import { findMachine } from "../fixtures/machine-kinds.ts";
import { readMachine, writeImages, type Machine } from "../fixtures/machine.ts";
import { createProgress } from "../fixtures/progress.ts";
import { wasInterrupted } from "../fixtures/undo.ts";
import {
  runVmOnTerminal,
  startVm,
  type Vm,
  type VmOptions,
} from "../fixtures/vm.ts";
import { chooseComputer, LOADER_TITLES, type Computer } from "./computers.ts";
import { createConsoleView } from "./console-view.ts";
import { formatSummary, judge } from "./summary.ts";

const FIRST_IMAGE = "demo:latest";
/** The second image; its kernel is another one. */
const NEXT_IMAGE = "demo:2";

const PASSWORD = "demo";
const PROMPT = /demo-pc:~# /;

const BOOT_TIMEOUT_MS = 10 * 60_000;
const COMMAND_TIMEOUT_MS = 10 * 60_000;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      shell: { type: "boolean" },
      store: { type: "string" },
      fs: { type: "string" },
    },
  });
  const computer = chooseComputer(values.store, values.fs);
  if (process.getuid?.() !== 0) {
    throw new Error(
      "the demo mounts disks and starts a dockerd: run it as root",
    );
  }
  const progress = createProgress(process.stderr);
  const { workDir, esp } = computer;
  const isKept = values.shell === true && existsSync(esp);
  if (!isKept) await rm(workDir, { recursive: true, force: true });
  const machine = isKept
    ? undefined
    : await findMachine(computer.kind, progress);
  const packages = await findBootPackages(progress);
  if (machine !== undefined) await makeComputer(computer, machine, packages);
  const options = {
    workDir,
    disks: [{ overlay: computer.disk }, esp],
    firmware: await makeFirmware(packages, join(workDir, "variables.fd")),
  };
  if (values.shell === true) return runShell(options);
  return (await runTour(computer, options)) ? 0 : 1;
}

/** A disk with image store and top layer, and one with an EFI system partition that has the boot loader. */
async function makeComputer(
  { workDir, disk, esp, loader, fsType, cmdline }: Computer,
  machine: Machine,
  packages: BootPackages,
): Promise<void> {
  await mkdir(workDir, { recursive: true });
  // The cache forgets the disk when another executable is built.
  const below = join(workDir, "disk.img");
  await link(machine.disk, below);
  await makeOverlay(below, disk);
  await writeImages(workDir, machine.images);
  const driver = fsType === "ext4" ? fsType : "btrfs";
  const files = layOutEsp(loader, packages, machine, cmdline, driver);
  await makeEspDisk(esp, files, workDir);
}

async function runShell(options: VmOptions): Promise<number> {
  console.log(
    heading(
      `A computer starts here. Log in as root, with the password ${PASSWORD}.\n`,
    ) +
      "To leave: the command poweroff, or the keys Ctrl-A and then X. Its disk stays until make clean,\nor until make demo makes another one.\n",
  );
  await runVmOnTerminal(options);
  return 0;
}

/** From power-on to power-off: to the other image, and back. */
async function runTour(
  { loader, cmdline, store, again }: Computer,
  options: VmOptions,
): Promise<boolean> {
  console.log(heading(`\n${LOADER_TITLES[loader]} boots with: ${cmdline}`));
  const started = Date.now();
  const vm = await startVm({
    ...options,
    onOutput: createConsoleView(process.stdout).write,
  });
  try {
    await waitForReport(vm, 1);
    await logIn(vm);
    // The machine has no engine besides Docker 20.10, which knows neither containerd's store nor Podman's.
    const hasEngine = store === "btrfs" || store === "overlay2";
    if (hasEngine) await type(vm, "docker images");
    const pull = hasEngine ? "" : " --pull never";
    await type(vm, `dockroot upgrade ${NEXT_IMAGE}${pull}`);
    await type(vm, "dockroot deployments");
    vm.send("reboot\r");
    await waitForReport(vm, 2);
    await logIn(vm);
    await type(vm, "dockroot rollback");
    vm.send("reboot\r");
    await waitForReport(vm, 3);
    await logIn(vm);
    await type(vm, "dockroot deployments");
    vm.send("poweroff\r");
    await vm.waitForPowerOff(BOOT_TIMEOUT_MS);
  } finally {
    await vm.stop();
  }
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  const reports = parseMachineReports(await vm.readReport());
  const { images } = await readMachine(options.workDir);
  const proofs = judge(
    reports,
    [FIRST_IMAGE, NEXT_IMAGE, FIRST_IMAGE].map((image) => images[image] ?? ""),
  );
  console.log(
    heading(`\nFrom power-on to power-off: ${seconds} s. What this has shown:`),
  );
  console.log(formatSummary(proofs, reports, process.stdout));
  console.log(`\nTo log in to this machine: make demo-shell${again}`);
  return proofs.every(({ isProved }) => isProved);
}

/** Waits until the machine has come up for the nth time. */
async function waitForReport(vm: Vm, n: number): Promise<MachineReport> {
  return vm.waitUntil("reported", BOOT_TIMEOUT_MS, async () => {
    return parseMachineReports(await vm.readReport())[n - 1];
  });
}

async function logIn(vm: Vm): Promise<void> {
  await vm.waitFor(/ login: /, BOOT_TIMEOUT_MS);
  vm.send("root\r");
  await vm.waitFor(/Password: /, COMMAND_TIMEOUT_MS);
  vm.send(`${PASSWORD}\r`);
  await vm.waitFor(PROMPT, COMMAND_TIMEOUT_MS);
}

async function type(vm: Vm, command: string): Promise<void> {
  vm.send(`${command}\r`);
  await vm.waitFor(PROMPT, COMMAND_TIMEOUT_MS);
}

function heading(text: string): string {
  return styleText("bold", text, { stream: process.stdout });
}

try {
  process.exitCode = await main();
} catch (error) {
  if (wasInterrupted()) console.error("demo: interrupted; cleaning up");
  else console.error(error instanceof Error ? `demo: ${error.message}` : error);
  process.exitCode = 1;
}
