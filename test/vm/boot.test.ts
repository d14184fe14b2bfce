// runner: tier=first seconds=90 needs=machine
import t from "tap";
import {
  createGuestShell,
  logIn,
  openShell,
} from "../../fixtures/guest-shell.ts";
import {
  createComputer,
  powerOff,
  syncAndTurnOff,
  waitForDockroot,
  waitForReport,
} from "./computer.ts";

const computer = await createComputer(t, "boot");
const SHELL_TIMEOUT_MS = 5 * 60_000;
const generations = "/mnt/.dockroot/docker_rwlayer/generations";
let firstUuid = "";

await t.test("a computer comes up from a Docker image", async (t) => {
  const vm = await computer.start(t, { upTo: "login" });
  const { boot, root, ...report } = await waitForReport(vm);
  t.equal(boot.image?.id, computer.machine.images["demo:latest"]);
  t.equal(root.filesystems[0]?.fsroot, "/docker_rwlayer");
  t.equal(report.rootUuid, boot.subvolumeUuid);
  t.equal(report.hostname, "demo-pc", "has the top layer's name");
  t.equal(report.store.filesystems[0]?.fsroot, "/docker");
  t.equal(report.systemd, "running", report.failedUnits);
  t.strictSame(boot.warnings, []);
  t.type(boot.waitedMs, "number", "it was made by what had begun early");
  firstUuid = report.rootUuid;

  const shell = await logIn(vm, "root", "demo");
  t.match(await shell("stat -c %a:%U /etc/shadow"), "640:root");
  t.equal(
    await shell("grep -c /run/dockroot /proc/mounts || true"),
    "0",
    "dockroot has let go of the disk",
  );
  t.equal(
    await shell("ls -l /proc/[0-9]*/exe 2>&1 | grep dockroot || true"),
    "",
    "and nothing of it still runs",
  );
  t.match(
    await shell("cat /run/dockroot/boot.log"),
    /waiting for \/run\/dockroot\/rooted[^]*is in place as docker_rwlayer/,
    "what tidies up was ready before there was a root",
  );
  t.match(
    await shell("dmesg --level=info"),
    /dockroot: snapshot docker\/btrfs[^]*dockroot: demo:latest \(.*\) is in place as docker_rwlayer/,
    "the kernel log tells what was done",
  );
  t.match(
    await shell("dockroot status"),
    /^result +fresh: [^]*^ {2}\* docker_rwlayer +\d+ +demo:latest /m,
    "and so does dockroot status",
  );
  t.match(
    await shell("dockroot doctor"),
    /no problem was found that would stop a boot/,
    "nor is there anything that would stop the next boot",
  );
  t.match(
    await shell("dockroot resolve demo"),
    computer.machine.images["demo:latest"],
  );
  await shell("echo lost? > /etc/written-at-first-start");
  await powerOff(vm);
});

await t.test(
  "the next boot begins anew, and keeps the former root",
  async (t) => {
    const vm = await computer.start(t);
    const { boot, systemd, rootUuid } = await waitForReport(vm);
    t.equal(systemd, "running");
    t.equal(boot.image?.id, computer.machine.images["demo:latest"]);
    t.equal(rootUuid, boot.subvolumeUuid);
    t.not(rootUuid, firstUuid);

    const shell = await openShell(vm);
    await shell("test ! -e /etc/written-at-first-start");
    await shell("mount -o subvolid=5 LABEL=linux /mnt");
    t.equal(
      await shell(`cat ${generations}/*/etc/written-at-first-start`),
      "lost?",
      "a generation",
    );
    t.match(await shell(`btrfs subvolume show ${generations}/*`), firstUuid);
    await syncAndTurnOff(vm);
  },
);

await t.test(
  "dockroot begins before there are disks, and touches none; docker_image= boots another image",
  async (t) => {
    const vm = await computer.start(t, {
      cmdline: "docker_image=demo-other:2 break=premount",
    });
    await vm.waitFor(/\(initramfs\) /, SHELL_TIMEOUT_MS);
    const early = createGuestShell(vm);
    await waitForDockroot(early);
    t.notMatch(await early("cat /proc/mounts"), / btrfs /);
    vm.send("exit\r");
    const { boot, systemd, hostname } = await waitForReport(vm);
    t.equal(systemd, "running");
    t.type(boot.waitedMs, "number");
    t.equal(boot.image?.id, computer.machine.images["demo-other:2"]);
    t.equal(hostname, "demo-pc");
    const shell = await openShell(vm);
    t.equal(await shell("cat /etc/demo-other"), "2");
  },
);
