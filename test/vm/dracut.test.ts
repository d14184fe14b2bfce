// runner: tier=first seconds=90 needs=dracut
import t from "tap";
import { createGuestShell, logIn } from "../../fixtures/guest-shell.ts";
import type { Vm } from "../../fixtures/vm.ts";
import {
  createComputer,
  powerOff,
  waitForDockroot,
  waitForReport,
} from "./computer.ts";

/** What systemd says when it starts in the root; in the initramfs it adds "(Initramfs)". */
const ROOT_COMES_UP = /Welcome to [^\n]*\(bookworm\)(?![^\n]*Initramfs)/;
/** A line of the kernel log: of what is written to a serial terminal, sulogin drops what is not sent yet. */
const WAY_OUT =
  /\[ *\d+\.\d+\] dockroot: there is no root to boot\. 'exit' tries again, 'reboot -f' restarts\.\r?\n/;
const SHELL_TIMEOUT_MS = 5 * 60_000;
const ENTER_MS = 1000;
const NO_SUCH_IMAGE = "docker_image=demo:no-such-tag dockroot.fallback=none";
const computer = await createComputer(t, "dracut", "dracut");

await t.test(
  "a computer comes up from a Docker image, with dracut",
  async (t) => {
    const vm = await computer.start(t, {
      cmdline: "docker_image=demo-dracut",
      upTo: "login",
    });
    const { boot, root, ...report } = await waitForReport(vm);
    t.equal(boot.image?.id, computer.machine.images["demo-dracut:latest"]);
    t.equal(root.filesystems[0]?.fsroot, "/docker_rwlayer");
    t.equal(report.rootUuid, boot.subvolumeUuid);
    t.equal(report.systemd, "running", report.failedUnits);
    t.strictSame(boot.warnings, []);
    t.type(boot.waitedMs, "number", "it was made by what had begun early");
    t.match(vm.output(), ROOT_COMES_UP);

    const shell = await logIn(vm, "root", "demo");
    t.equal(
      await shell("grep -c /run/dockroot /proc/mounts || true"),
      "0",
      "dockroot has let go of the disk",
    );
    await powerOff(vm);
  },
);

await t.test("with an image that is not there", async (t) => {
  const vm = await computer.start(t, {
    cmdline: `${NO_SUCH_IMAGE} rd.break=pre-mount`,
  });
  await enterShell(vm);
  t.comment("dockroot begins before there are disks, and touches none");
  const early = createGuestShell(vm);
  await waitForDockroot(early);
  t.notMatch(await early("cat /proc/mounts"), / btrfs /);
  t.equal(
    await early("systemctl show --value -p ActiveState dockroot.service"),
    "activating",
  );
  vm.send("exit\r");
  await enterShell(vm);
  t.match(
    vm.output(),
    /dockroot: .*demo:no-such-tag/,
    "the error names the image",
  );
  t.match(vm.output(), /demo:latest/, "and the one that there is");
  t.match(vm.output(), WAY_OUT, "and the way out");

  const shell = createGuestShell(vm);
  t.equal(await shell("echo $((6 * 7))"), "42", "the shell answers");
  t.notMatch(
    await shell("cat /proc/mounts"),
    / \/sysroot /,
    "no root is mounted",
  );
  t.match(await shell("btrfs --version"), /btrfs-progs/);

  vm.send("exit\r");
  await vm.waitFor(/dockroot: .*demo:no-such-tag/, SHELL_TIMEOUT_MS);
  await enterShell(vm);
  t.notMatch(vm.output(), ROOT_COMES_UP, "the old root does not come up");

  t.comment("put right in the shell");
  const again = createGuestShell(vm);
  await again(
    "sed 's/no-such-tag/latest/; s/rd.break=pre-mount//' /proc/cmdline > /run/cmdline",
  );
  await again("mount --bind /run/cmdline /proc/cmdline");
  vm.send("exit\r");
  await vm.waitFor(ROOT_COMES_UP, SHELL_TIMEOUT_MS);
  const { boot, systemd } = await waitForReport(vm);
  t.equal(systemd, "running");
  t.equal(boot.image?.id, computer.machine.images["demo:latest"]);
});

await t.test("without a shell, for machines without a keyboard", async (t) => {
  const vm = await computer.start(t, {
    cmdline: `${NO_SUCH_IMAGE} rd.shell=0 rd.emergency=reboot`,
  });
  await vm.waitForPowerOff(SHELL_TIMEOUT_MS);
  t.match(vm.output(), /dockroot: .*demo:no-such-tag/);
  t.notMatch(vm.output(), ROOT_COMES_UP, "the old root does not come up");
});

/**
 * Without a password: this initramfs knows none. What is typed before sulogin listens is lost, and it
 * asks before that.
 */
async function enterShell(vm: Vm): Promise<void> {
  await vm.waitFor(/Press Enter for maintenance/, SHELL_TIMEOUT_MS);
  const enter = setInterval(() => {
    vm.send("\r");
  }, ENTER_MS);
  try {
    // bash's prompt, or dash's.
    await vm.waitFor(/# /, SHELL_TIMEOUT_MS);
  } finally {
    clearInterval(enter);
  }
}
