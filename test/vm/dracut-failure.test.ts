import t from "tap";
import { useDracut } from "../../fixtures/dracut-initramfs.ts";
import { createGuestShell } from "../../fixtures/guest-shell.ts";
import type { Vm } from "../../fixtures/vm.ts";
import { createComputer } from "./computer.ts";

/** What the root's systemd says when it starts; the initramfs's has "(Initramfs)" there. */
const ROOT_COMES_UP = /Welcome to [^\n]*\(bookworm\)(?![^\n]*Initramfs)/;
const SHELL_TIMEOUT_MS = 180_000;
const NO_SUCH_IMAGE = "docker_image=demo:no-such-tag dockroot.fallback=none";
const computer = await createComputer(t, "dracut-failure", useDracut);

await t.test("with dracut and an image that is not there", async (t) => {
  t.comment("a good start first: there is an old root that must not come up");
  const good = await computer.start(t, "dockroot-demo.poweroff");
  await good.waitForPowerOff(SHELL_TIMEOUT_MS);
  t.match(good.output(), ROOT_COMES_UP);

  const vm = await computer.start(t, NO_SUCH_IMAGE);
  await openShell(vm);
  t.match(vm.output(), /dockroot: .*demo:no-such-tag/, "names the image");
  t.match(vm.output(), /demo:latest/, "and the one that there is");
  t.match(vm.output(), /'exit' tries again/, "and the way out");

  const shell = createGuestShell(vm);
  t.equal(await shell("echo $((6 * 7))"), "42", "the shell answers");
  t.notMatch(await shell("cat /proc/mounts"), / \/sysroot /, "no root");
  t.match(await shell("btrfs --version"), /btrfs-progs/);

  vm.send("exit\r");
  await vm.waitFor(/dockroot: .*demo:no-such-tag/, SHELL_TIMEOUT_MS);
  await openShell(vm);
  t.notMatch(vm.output(), ROOT_COMES_UP);

  const again = createGuestShell(vm);
  t.comment("what was wrong is put right in the shell");
  await again("sed 's/no-such-tag/latest/' /proc/cmdline > /run/cmdline");
  await again("mount --bind /run/cmdline /proc/cmdline");
  vm.send("exit\r");
  await vm.waitFor(ROOT_COMES_UP, SHELL_TIMEOUT_MS);
  await vm.waitFor(/ login: /, SHELL_TIMEOUT_MS);
});

await t.test("without a shell, for machines without a keyboard", async (t) => {
  const vm = await computer.start(
    t,
    `${NO_SUCH_IMAGE} rd.shell=0 rd.emergency=reboot`,
  );
  await vm.waitForPowerOff(SHELL_TIMEOUT_MS);
  t.match(vm.output(), /dockroot: .*demo:no-such-tag/);
  t.notMatch(vm.output(), ROOT_COMES_UP, "the old root does not come up");
});

/** Without a password: root has none in the image. */
async function openShell(vm: Vm): Promise<void> {
  await vm.waitFor(/Press Enter for maintenance/, SHELL_TIMEOUT_MS);
  vm.send("\r");
  await vm.waitFor(/:\/\S*# /, SHELL_TIMEOUT_MS);
}
