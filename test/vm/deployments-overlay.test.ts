// runner: tier=all seconds=300 needs=two-kernels
import t from "tap";
import { openShell } from "../../fixtures/guest-shell.ts";
import type { RootedBoot } from "../../runtime/records/boot-record.ts";
import { resetFromShell } from "./computer.ts";
import { createLoaderComputer, SHELL_AT_EACH_BOOT } from "./loader-computer.ts";

// rEFInd reads kernels from the ext4 itself, and replays no journal: the machine is reset right after each command.
const { machine, turnOn } = await createLoaderComputer(
  t,
  "deployments-overlay",
  "refind",
  "shell",
  "fstab=no",
  "two-kernels-overlay2-ext4",
);
const vm = await turnOn(t);
let shell = await openShell(vm);
const firstKernel = await shell("uname -r");

async function readBoot(): Promise<RootedBoot> {
  return JSON.parse(await shell("cat /run/dockroot/boot.json")) as RootedBoot;
}

await t.test("an image with another kernel is next", async (t) => {
  t.match(await readBoot(), { isOverlay: true, deployment: null });
  await shell(SHELL_AT_EACH_BOOT);
  await shell("dockroot upgrade demo:2 --pull never");
  await resetFromShell(vm);
  shell = await openShell(vm);
  t.match(await readBoot(), {
    ...{ isOverlay: true, deployment: 2, warnings: [] },
    image: { id: machine.images["demo:2"] },
  });
  t.not(await shell("uname -r"), firstKernel, "another kernel");
  t.match(await shell("cat /proc/cmdline"), /^(?!.*subvol=).*boot_docker/);
});

await t.test("and back, without the engine's images", async (t) => {
  await shell("rm -rf /run/initramfs/dockroot/docker/*");
  await shell("dockroot rollback");
  await resetFromShell(vm);
  shell = await openShell(vm);
  t.match(await readBoot(), {
    ...{ isOverlay: true, deployment: 1, warnings: [] },
    image: { id: machine.images["demo:latest"] },
  });
  t.equal(await shell("uname -r"), firstKernel);
});
