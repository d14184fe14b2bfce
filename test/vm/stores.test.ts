// runner: tier=first seconds=60 needs=stores
import t, { type Test } from "tap";
import { openShell } from "../../fixtures/guest-shell.ts";
import { OTHER_IMAGES } from "../../fixtures/other-stores.ts";
import {
  createComputer,
  powerOffFromShell,
  waitForReport,
} from "./computer.ts";

const computer = await createComputer(t, "stores", "stores");

await t.test("a computer comes up from a containerd store", async (t) => {
  await bootFrom(t, "docker_path=docker-28", OTHER_IMAGES.containerd);
});

await t.test("and from Podman's", async (t) => {
  await bootFrom(t, "store_path=podman docker_path=", OTHER_IMAGES.podman);
});

async function bootFrom(t: Test, options: string, image: string) {
  const vm = await computer.start(t, {
    cmdline: `${options} docker_image=${image}`,
  });
  const { boot, root, systemd, failedUnits } = await waitForReport(vm);
  t.equal(systemd, "running", failedUnits);
  t.equal(boot.image?.id, computer.machine.images[image]);
  t.equal(root.filesystems[0]?.fsroot, "/docker_rwlayer");
  t.strictSame(boot.warnings, []);
  const shell = await openShell(vm);
  t.equal(await shell("cat /etc/image"), image);
  await shell("echo written >> /etc/image");
  await powerOffFromShell(vm);
}
