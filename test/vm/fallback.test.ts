import t from "tap";
import { logIn } from "../../fixtures/guest-shell.ts";
import { createComputer, powerOff, waitForReport } from "./computer.ts";

const computer = await createComputer(t, "fallback");
let formerUuid = "";

await t.test(
  "with an image that is not there, the former root comes up and says so",
  async (t) => {
    const good = await computer.start(t);
    formerUuid = (await waitForReport(good)).rootUuid;
    const goodShell = await logIn(good);
    await goodShell("echo mine > /etc/written-at-first-start");
    await powerOff(good);

    const vm = await computer.start(t, "quiet docker_image=demo:no-such-tag");
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
    const shell = await logIn(vm);
    t.equal(await shell("cat /etc/written-at-first-start"), "mine");
    t.match(
      await shell("dmesg --level=err"),
      /dockroot: no new root: .*demo:no-such-tag[^]*dockroot: a former root boots instead: demo:latest/,
    );
    t.match(await shell("cat /run/dockroot/boot.log"), /demo:no-such-tag/);
    await shell("mount -o subvolid=5 LABEL=linux /mnt");
    t.match(
      await shell("cat /mnt/.dockroot/docker_rwlayer/last-failure.log"),
      /demo:no-such-tag[^]*Kernel options: .*docker_image=demo:no-such-tag/,
    );
    await powerOff(vm);
  },
);

await t.test("a former root is booted as it is", async (t) => {
  const fresh = await computer.start(t, "dockroot-demo.poweroff");
  t.equal((await waitForReport(fresh)).boot.result, "fresh");
  await fresh.waitForPowerOff(120_000);

  const generation = ".dockroot/docker_rwlayer/generations/1";
  const vm = await computer.start(t, `rootflags=subvol=${generation}`);
  const { boot, root, rootUuid } = await waitForReport(vm);
  t.match(boot, { result: "generation", root: generation, warnings: [] });
  t.equal(rootUuid, formerUuid);
  t.equal(root.filesystems[0]?.fsroot, `/${generation}`);
  const shell = await logIn(vm);
  t.equal(await shell("cat /etc/written-at-first-start"), "mine");
  await powerOff(vm);
});
