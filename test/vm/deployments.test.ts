// runner: tier=first seconds=150 whole=450 needs=two-kernels
import { rm } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import {
  layOutEsp,
  LOADERS,
  makeFirmware,
  type Loader,
} from "../../fixtures/boot-loaders.ts";
import { findBootPackages } from "../../fixtures/boot-packages.ts";
import { makeEspDisk } from "../../fixtures/esp-disk.ts";
import { logIn, type GuestShell } from "../../fixtures/guest-shell.ts";
import type { Vm } from "../../fixtures/vm.ts";
import type { RootedBoot } from "../../runtime/records/boot-record.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import { composeCmdline, createComputer, reboot } from "./computer.ts";

const packages = await findBootPackages((_name, work) => work(() => undefined));
const first = sampleSeed() % LOADERS.length;
const loaders = isWholeTier() ? LOADERS : LOADERS.slice(first, first + 1);

for (const loader of loaders) {
  await t.test(
    `a computer that ${loader} starts moves to an image with another kernel, and back`,
    (t) => upgradeAndRollBack(t, loader),
  );
}

async function upgradeAndRollBack(t: Test, loader: Loader): Promise<void> {
  const computer = await createComputer(
    t,
    `deployments-${loader}`,
    "two-kernels",
  );
  const { machine, workDir } = computer;
  const esp = join(workDir, "esp.img");
  t.teardown(() => rm(esp));
  const options = composeCmdline("login", "");
  await makeEspDisk(
    esp,
    layOutEsp(loader, packages, machine, options),
    workDir,
  );
  const vm = await computer.start(t, {
    firmware: await makeFirmware(packages, join(workDir, "vars.fd")),
    moreDisks: [esp],
  });

  let shell = await logInAsRoot(vm);
  const firstKernel = await shell("uname -r");
  await expectImage(t, shell, machine.images["demo:latest"]);
  await shell("dockroot upgrade demo:2 --pull never");

  await reboot(vm);
  shell = await logInAsRoot(vm);
  t.not(await shell("uname -r"), firstKernel, "another kernel");
  await expectImage(t, shell, machine.images["demo:2"]);
  await shell("dockroot rollback");
  // The images are in subvolumes, which rm cannot remove.
  await shell("mount -o subvolid=5 LABEL=linux /mnt");
  await shell("btrfs subvolume delete /mnt/docker/btrfs/subvolumes/*");
  await shell("rm -rf /mnt/docker/*");

  await reboot(vm);
  shell = await logInAsRoot(vm);
  t.equal(await shell("uname -r"), firstKernel, "the first kernel");
  await expectImage(t, shell, machine.images["demo:latest"]);
}

function logInAsRoot(vm: Vm): Promise<GuestShell> {
  return logIn(vm, "root", "demo");
}

async function expectImage(
  t: Test,
  shell: GuestShell,
  id: string | undefined,
): Promise<void> {
  const record = JSON.parse(
    await shell("cat /run/dockroot/boot.json"),
  ) as RootedBoot;
  t.equal(record.image?.id, id);
}
