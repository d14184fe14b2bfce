// runner: tier=first seconds=130 needs=machine
import t from "tap";
import { createGuestShell, openShell } from "../../fixtures/guest-shell.ts";
import {
  createComputer,
  powerOffFromShell,
  syncAndTurnOff,
  waitForReport,
} from "./computer.ts";

/** What systemd says when it starts. */
const SYSTEMD = /Welcome to |\[ {2}OK {2}\]/;
const SHELL_TIMEOUT_MS = 2 * 60_000;
const NO_SUCH_IMAGE = "docker_image=demo:no-such-tag";
const computer = await createComputer(t, "ways-out");
let formerUuid = "";

await t.test("a computer comes up, and is used", async (t) => {
  const vm = await computer.start(t);
  const { boot, rootUuid, systemd } = await waitForReport(vm);
  t.equal(boot.result, "fresh");
  t.equal(systemd, "running");
  t.match(vm.output(), SYSTEMD);
  formerUuid = rootUuid;
  const shell = await openShell(vm);
  await shell("echo mine > /etc/written-at-first-start");
  await syncAndTurnOff(vm);
});

await t.test(
  "with an image that is not there, and without fallback, there is a shell",
  async (t) => {
    const vm = await computer.start(t, {
      cmdline: `${NO_SUCH_IMAGE} dockroot.fallback=none`,
    });
    await vm.waitFor(/\(initramfs\) /, SHELL_TIMEOUT_MS);
    t.match(
      vm.output(),
      /dockroot: .*demo:no-such-tag/,
      "the error names the image",
    );
    t.match(vm.output(), /demo:latest/, "and the one that there is");
    t.match(vm.output(), /'exit' tries again/, "and the way out");

    const shell = createGuestShell(vm);
    t.equal(await shell("echo $((6 * 7))"), "42", "the shell answers");
    t.notMatch(
      await shell("cat /proc/mounts"),
      / \/root /,
      "no root is mounted",
    );
    t.match(await shell("btrfs --version"), /btrfs-progs/);

    vm.send("exit\r");
    await vm.waitFor(/dockroot: .*demo:no-such-tag/, SHELL_TIMEOUT_MS);
    await vm.waitFor(/\(initramfs\) /, SHELL_TIMEOUT_MS);
    t.notMatch(vm.output(), /Kernel panic/);
    t.notMatch(vm.output(), SYSTEMD, "the old root does not come up");
    vm.send("reboot -f\r");
    await vm.waitForPowerOff(SHELL_TIMEOUT_MS);
  },
);

await t.test("with panic=1, for machines without a keyboard", async (t) => {
  const vm = await computer.start(t, {
    cmdline: `${NO_SUCH_IMAGE} dockroot.fallback=none panic=1`,
  });
  await vm.waitFor(/Rebooting automatically/, SHELL_TIMEOUT_MS);
  await vm.waitForPowerOff(SHELL_TIMEOUT_MS);
  t.notMatch(vm.output(), SYSTEMD, "the old root does not come up");
});

await t.test(
  "with an image that is not there, the former root comes up and says so",
  async (t) => {
    const vm = await computer.start(t, { cmdline: `quiet ${NO_SUCH_IMAGE}` });
    const { boot, rootUuid, systemd, failedUnits } = await waitForReport(vm);
    t.equal(systemd, "running", failedUnits);
    t.match(boot, {
      ...{ result: "fallback", image: { reference: "demo:latest" } },
      failure: { code: "IMAGE_MISSING" },
    });
    t.equal(rootUuid, formerUuid);
    t.match(
      vm.output(),
      /A FORMER ROOT BOOTS INSTEAD[^]*demo:no-such-tag/,
      "on the console, though it is quiet",
    );
    const shell = await openShell(vm);
    t.equal(await shell("cat /etc/written-at-first-start"), "mine");
    t.match(
      await shell("dmesg --level=err"),
      /dockroot: no new root: .*demo:no-such-tag[^]*dockroot: an earlier root boots instead: demo:latest/,
    );
    t.match(await shell("cat /run/dockroot/boot.log"), /demo:no-such-tag/);
    await shell("mount -o subvolid=5 LABEL=linux /mnt");
    t.match(
      await shell("cat /mnt/.dockroot/docker_rwlayer/last-failure.log"),
      /demo:no-such-tag[^]*Kernel options: .*docker_image=demo:no-such-tag/,
    );
    await powerOffFromShell(vm);
  },
);

await t.test("a former root is booted as it is", async (t) => {
  const fresh = await computer.start(t);
  t.equal((await waitForReport(fresh)).boot.result, "fresh");
  await syncAndTurnOff(fresh);

  const generation = ".dockroot/docker_rwlayer/generations/1";
  const vm = await computer.start(t, {
    cmdline: `rootflags=subvol=${generation}`,
  });
  const { boot, root, rootUuid } = await waitForReport(vm);
  t.match(boot, { result: "generation", root: generation, warnings: [] });
  t.equal(rootUuid, formerUuid);
  t.equal(root.filesystems[0]?.fsroot, `/${generation}`);
  const shell = await openShell(vm);
  t.equal(await shell("cat /etc/written-at-first-start"), "mine");
});
