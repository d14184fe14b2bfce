import { rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Test } from "tap";
import { createGuestShell, openShell } from "../../fixtures/guest-shell.ts";
import { flattenOverlay } from "../../fixtures/loop-disk.ts";
import type { MachineKind } from "../../fixtures/machine-kinds.ts";
import { run } from "../../fixtures/run.ts";
import {
  createComputer,
  powerOffFromShell,
  waitForReport,
} from "./computer.ts";

const SWAP_BYTES = 1024 ** 3;
const HIBERNATE_TIMEOUT_MS = 5 * 60_000;
/** The kernel then tells where it looks for a hibernated system, and what it finds. */
const OPTIONS = "resume=LABEL=sleep pm_debug_messages";
/** The subvolumes and dockroot's files; the rwlayer's number of commits goes on by itself. */
const LOOK_AT_DISK =
  "btrfs subvolume list -uq /mnt | sed 's/ gen [0-9]*//' && ls -lR --full-time /mnt/.dockroot";

/**
 * Hibernates a computer and turns it on again: the system that was left resumes, and no root is made.
 * @param name of the computer's directory
 */
export async function hibernate(
  t: Test,
  name: string,
  kind: MachineKind,
): Promise<void> {
  const computer = await createComputer(t, name, kind);
  const swap = join(computer.workDir, "swap.img");
  await writeFile(swap, "");
  t.teardown(() => rm(swap));
  await truncate(swap, SWAP_BYTES);
  await run(["mkswap", "--label", "sleep", swap]);

  const start = { cmdline: OPTIONS, moreDisks: [swap] };
  const vm = await computer.start(t, start);
  t.equal((await waitForReport(vm)).systemd, "running");
  const shell = await openShell(vm);
  const [before = "", after] = (await shell("dmesg")).split(
    /PM: [^\n]*image not (?:found|present)/i,
  );
  t.match(after, "dockroot: find the root device", "dockroot has made a root");
  t.notMatch(
    before,
    /dockroot: (?!ready, and waiting for |still waiting for )/,
    "it has waited until there was nothing to resume",
  );
  await shell("swapon LABEL=sleep && mount -o subvolid=5 LABEL=linux /mnt");
  await shell("echo in memory > /run/note && echo on disk > /etc/note");
  await shell("{ sleep infinity & } && echo $! > /run/sleeper");
  const disk = await shell(LOOK_AT_DISK);
  vm.debugConsole.send(
    "systemctl start systemd-hibernate; echo hibernated and res''umed\r",
  );
  await vm.waitForPowerOff(HIBERNATE_TIMEOUT_MS);

  const resumed = await computer.start(t, start);
  await resumed.debugConsole.waitFor(
    /hibernated and resumed/,
    HIBERNATE_TIMEOUT_MS,
  );
  t.notMatch(resumed.output(), /dockroot: /);
  const again = createGuestShell(resumed.debugConsole);
  t.equal(await again("cat /run/note /etc/note"), "in memory\non disk");
  await again("kill -0 $(cat /run/sleeper)");
  t.equal(await again(LOOK_AT_DISK), disk, "no other root was made");
  t.match(
    await again("dmesg"),
    /dockroot: [^]*PM: hibernation: Creating image(?![^]*dockroot: )/,
    "dockroot has run once",
  );
  await again("umount /mnt");
  await powerOffFromShell(resumed);
  const flat = join(computer.workDir, "flat.img");
  t.teardown(() => rm(flat));
  await flattenOverlay(computer.overlay, flat);
  await run([...["btrfs", "check", "--readonly", "--check-data-csum"], flat]);
}
