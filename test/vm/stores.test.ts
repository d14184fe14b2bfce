import t, { type Test } from "tap";
import { logIn } from "../../fixtures/guest-shell.ts";
import { addOtherStores, OTHER_IMAGES } from "../../fixtures/other-stores.ts";
import { createComputer, powerOff, waitForReport } from "./computer.ts";

const computer = await createComputer(t, "stores", addOtherStores);

await t.test("a computer comes up from a containerd store", async (t) => {
  await bootFrom(t, "docker_path=docker-28", OTHER_IMAGES.containerd);
});

await t.test("and from Podman's", async (t) => {
  await bootFrom(t, "store_path=podman docker_path=", OTHER_IMAGES.podman);
});

async function bootFrom(t: Test, options: string, image: string) {
  const vm = await computer.start(t, `${options} docker_image=${image}`);
  const { boot, root, systemd, failedUnits } = await waitForReport(vm);
  t.equal(systemd, "running", failedUnits);
  t.equal(boot.image?.id, computer.machine.images[image]);
  t.equal(root.filesystems[0]?.fsroot, "/docker_rwlayer");
  t.strictSame(boot.warnings, []);
  const shell = await logIn(vm);
  t.equal(await shell("cat /etc/image"), image);
  await shell("echo written >> /etc/image");
  await powerOff(vm);
}
