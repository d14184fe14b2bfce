/**
 * Builds a computer, boots it into a Docker image, and says what that has proved.
 * With --shell the computer stays on, with a login on this terminal.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs, styleText } from "node:util";
import { parseMachineReport } from "../fixtures/machine-report.ts";
import { createMachine } from "../fixtures/machine.ts";
import { createProgress } from "../fixtures/progress.ts";
import { wasInterrupted } from "../fixtures/undo.ts";
import {
  runVmOnTerminal,
  startVm,
  type DirectVmOptions,
} from "../fixtures/vm.ts";
import { createConsoleView } from "./console-view.ts";
import { formatSummary, judge } from "./summary.ts";

/** The tutorial's options, and a console that can be read here. */
const CMDLINE =
  "root=LABEL=linux rootflags=subvol=docker_rwlayer rw docker_path=docker" +
  " toplayer=LABEL=linux toplayer_path=boot_docker console=ttyS0";

const BOOT_TIMEOUT_MS = 10 * 60_000;

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { shell: { type: "boolean" } } });
  if (process.getuid?.() !== 0) {
    throw new Error(
      "the demo mounts disks and starts a dockerd: run it as root",
    );
  }
  const workDir = join(import.meta.dirname, "../.cache/demo");
  await rm(workDir, { recursive: true, force: true });
  const machine = await createMachine(workDir, createProgress(process.stderr));
  const options = {
    ...machine,
    workDir,
    disks: [machine.disk],
    cmdline: CMDLINE,
  };
  if (values.shell === true) return runShell(options);
  const isProved = await runBoot(options, machine.images["demo:latest"] ?? "");
  return isProved ? 0 : 1;
}

async function runShell(options: DirectVmOptions): Promise<number> {
  console.log(
    heading(
      "A computer starts here. Log in as root, with the password demo.\n",
    ) + "To leave: the command poweroff, or the keys Ctrl-A and then X.\n",
  );
  await runVmOnTerminal(options);
  return 0;
}

async function runBoot(
  options: DirectVmOptions,
  imageId: string,
): Promise<boolean> {
  console.log(heading(`\nBooting with: ${options.cmdline}`));
  const started = Date.now();
  const vm = await startVm({
    ...options,
    cmdline: `${options.cmdline} dockroot-demo.poweroff`,
    onOutput: createConsoleView(process.stdout).write,
  });
  try {
    await vm.waitForPowerOff(BOOT_TIMEOUT_MS);
  } finally {
    await vm.stop();
  }
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  const report = parseMachineReport(await vm.readReport());
  if (report === undefined) {
    throw new Error(
      "the machine went off without a report: see above what its console said",
    );
  }
  const proofs = judge(report, imageId);
  console.log(
    heading(`\nFrom power-on to power-off: ${seconds} s. What this has shown:`),
  );
  console.log(formatSummary(proofs, report, process.stdout));
  console.log("\nTo log in to this machine: make demo-shell");
  return proofs.every(({ isProved }) => isProved);
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
