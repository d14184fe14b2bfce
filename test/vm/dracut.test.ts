import t from "tap";
import { useDracut } from "../../fixtures/dracut-initramfs.ts";
import { logIn } from "../../fixtures/guest-shell.ts";
import { createComputer, powerOff, waitForReport } from "./computer.ts";

const computer = await createComputer(t, "dracut", useDracut);

await t.test(
  "a computer with dracut comes up from a Docker image",
  async (t) => {
    const vm = await computer.start(t, "docker_image=demo-dracut");
    const { boot, root, ...report } = await waitForReport(vm);
    t.equal(boot.image.id, computer.machine.images["demo-dracut:latest"]);
    t.equal(root.filesystems[0]?.fsroot, "/docker_rwlayer");
    t.equal(report.rootUuid, boot.subvolumeUuid);
    t.equal(report.systemd, "running", report.failedUnits);
    t.strictSame(boot.warnings, []);

    const shell = await logIn(vm);
    t.equal(
      await shell("grep -c /run/dockroot /proc/mounts || true"),
      "0",
      "dockroot has let go of the disk",
    );
    await shell(
      "systemctl --no-pager status dockroot.service dockroot-finish.service || true",
    );
    await shell("journalctl --no-pager -o short-monotonic -b | cat");
    await powerOff(vm);
  },
);
