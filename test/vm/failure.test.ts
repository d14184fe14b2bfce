import t from "tap";
import { createGuestShell } from "../../fixtures/guest-shell.ts";
import { createComputer, waitForReport } from "./computer.ts";

/** What systemd says when it starts. */
const SYSTEMD = /Welcome to |\[ {2}OK {2}\]/;
const SHELL_TIMEOUT_MS = 5 * 60_000;
const NO_SUCH_IMAGE = "docker_image=demo:no-such-tag dockroot.fallback=none";
const computer = await createComputer(t, "failure");

await t.test("with an image that is not there", async (t) => {
  t.comment("a good start first: there is an old root that must not come up");
  const good = await computer.start(t, "dockroot-demo.poweroff");
  t.equal((await waitForReport(good)).systemd, "running");
  await good.waitForPowerOff(SHELL_TIMEOUT_MS);
  t.match(good.output(), SYSTEMD);

  const vm = await computer.start(t, NO_SUCH_IMAGE);
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
  t.notMatch(await shell("cat /proc/mounts"), / \/root /, "no root is mounted");
  t.match(await shell("btrfs --version"), /btrfs-progs/);

  vm.send("exit\r");
  await vm.waitFor(/dockroot: .*demo:no-such-tag/, SHELL_TIMEOUT_MS);
  await vm.waitFor(/\(initramfs\) /, SHELL_TIMEOUT_MS);
  t.notMatch(vm.output(), /Kernel panic/);
  t.notMatch(vm.output(), SYSTEMD);
  vm.send("reboot -f\r");
  await vm.waitForPowerOff(SHELL_TIMEOUT_MS);
});

await t.test("with panic=1, for machines without a keyboard", async (t) => {
  const vm = await computer.start(t, `${NO_SUCH_IMAGE} panic=1`);
  await vm.waitFor(/Rebooting automatically/, SHELL_TIMEOUT_MS);
  await vm.waitForPowerOff(SHELL_TIMEOUT_MS);
  t.notMatch(vm.output(), SYSTEMD, "the old root does not come up");
});
