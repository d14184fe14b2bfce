// runner: tier=all seconds=300 needs=two-kernels
import t from "tap";
import { openShell } from "../../fixtures/guest-shell.ts";
import type { RootedBoot } from "../../runtime/records/boot-record.ts";
import { resetFromShell } from "./computer.ts";
import { createLoaderComputer, SHELL_AT_EACH_BOOT } from "./loader-computer.ts";

/** When the system of the initramfs began, in microseconds: initramfs-tools' has no systemd. */
const INITRD_BEGAN =
  "systemctl show --value --property InitRDTimestampMonotonic";

const { machine, turnOn } = await createLoaderComputer(
  t,
  "deployments-dracut",
  "systemd-boot",
  "shell",
  "fstab=no",
  "kernels-dracut",
);
const vm = await turnOn(t);
let shell = await openShell(vm);
const firstKernel = await shell("uname -r");

async function readImage(): Promise<string | undefined> {
  const record = JSON.parse(
    await shell("cat /run/dockroot/boot.json"),
  ) as RootedBoot;
  return record.image?.id;
}

await t.test("an image whose initramfs dracut made is next", async (t) => {
  await shell(SHELL_AT_EACH_BOOT);
  t.equal(await shell(INITRD_BEGAN), "0");
  await shell("dockroot upgrade demo-dracut:2 --pull never");
  await resetFromShell(vm);
  shell = await openShell(vm);
  t.equal(await readImage(), machine.images["demo-dracut:2"]);
  t.not(await shell("uname -r"), firstKernel, "another kernel");
  t.not(await shell(INITRD_BEGAN), "0");
  await shell("dockroot confirm");
});

await t.test("and back", async (t) => {
  await shell("dockroot rollback");
  await resetFromShell(vm);
  shell = await openShell(vm);
  t.equal(await readImage(), machine.images["demo:latest"]);
  t.equal(await shell("uname -r"), firstKernel);
  t.equal(await shell(INITRD_BEGAN), "0");
});
