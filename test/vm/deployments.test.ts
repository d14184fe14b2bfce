// runner: tier=first seconds=200 whole=1000 needs=two-kernels
import t, { type Test } from "tap";
import { LOADERS, type Loader } from "../../fixtures/boot-loaders.ts";
import { openShell, type GuestShell } from "../../fixtures/guest-shell.ts";
import type { RootedBoot } from "../../runtime/records/boot-record.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import { resetFromShell } from "./computer.ts";
import { createLoaderComputer, SHELL_AT_EACH_BOOT } from "./loader-computer.ts";

const first = sampleSeed() % LOADERS.length;
/** By hand: LOADER=grub. */
const only = process.env["LOADER"];
const loaders = LOADERS.filter((loader, index) =>
  only === undefined ? isWholeTier() || index === first : loader === only,
);

/** Has the entry of boot-entry in the place of the one that was written by hand. */
const TAKE_BOOT_ENTRY: Readonly<Record<Loader, string>> = {
  refind: `${removeBlock('menuentry "docker"', "EFI/BOOT/refind.conf")} && dockroot boot-entry --loader refind --output`,
  "systemd-boot":
    "rm /boot/loader/entries/docker.conf && dockroot boot-entry --loader systemd-boot --output",
  grub: `${removeBlock("menuentry 'docker'", "grub/grub.cfg")} && dockroot boot-entry --loader grub --output`,
  efistub:
    "rm /boot/startup.nsh && dockroot boot-entry --loader efistub --output /run/entry && sh -e /run/entry",
};

for (const loader of loaders) {
  await t.test(
    `a computer that ${loader} starts moves to an image with another kernel, and back`,
    (t) => upgradeAndRollBack(t, loader),
  );
}

function removeBlock(begin: string, file: string): string {
  return `sed -i "/^${begin.replaceAll('"', '\\"')}/,/^}/d" /boot/${file}`;
}

async function upgradeAndRollBack(t: Test, loader: Loader): Promise<void> {
  const { machine, turnOn } = await createLoaderComputer(
    t,
    `deployments-${loader}`,
    loader,
    "shell",
    "fstab=no",
  );
  const vm = await turnOn(t);

  let shell = await openShell(vm);
  const firstKernel = await shell("uname -r");
  await expectImage(t, shell, machine.images["demo:latest"]);
  await shell(SHELL_AT_EACH_BOOT);
  if (isWholeTier()) {
    await shell(`mount LABEL=ESP /boot && ${TAKE_BOOT_ENTRY[loader]}`);
    await resetFromShell(vm);
    shell = await openShell(vm);
    t.notMatch(await shell("cat /proc/cmdline"), "dockroot.deployment=");
    await expectImage(t, shell, machine.images["demo:latest"]);
  }
  // What somebody has chosen in its menu.
  if (loader === "systemd-boot") await shell("bootctl set-default mine.conf");
  const given = loader === "efistub" ? "--loader efistub" : "";
  await shell(`dockroot upgrade demo:2 --pull never ${given}`);

  await resetFromShell(vm);
  shell = await openShell(vm);
  t.not(await shell("uname -r"), firstKernel, "another kernel");
  await expectImage(t, shell, machine.images["demo:2"]);
  // The images are in subvolumes, which rm cannot remove.
  await shell("mount -o subvolid=5 LABEL=linux /mnt");
  await shell("btrfs subvolume delete /mnt/docker/btrfs/subvolumes/*");
  await shell("rm -rf /mnt/docker/*");
  await shell("sync");
  const once = loader === "refind" ? "" : "--once";
  // The firmware starts once what is not confirmed.
  if (loader === "efistub") await shell("dockroot confirm");
  await shell(`dockroot rollback ${once}`);

  await resetFromShell(vm);
  shell = await openShell(vm);
  t.equal(await shell("uname -r"), firstKernel, "the first kernel");
  await expectImage(t, shell, machine.images["demo:latest"]);
  const told = JSON.parse(await shell("dockroot deployments --json")) as {
    next: number;
    once: number | null;
  };
  t.match(told, { next: once === "" ? 1 : 2, once: null });
  if (!isWholeTier() || once === "") return;
  await resetFromShell(vm);
  shell = await openShell(vm);
  await expectImage(t, shell, machine.images["demo:2"]);
  await shell("dockroot rollback");
  await resetFromShell(vm);
  shell = await openShell(vm);
  await expectImage(t, shell, machine.images["demo:latest"]);
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
