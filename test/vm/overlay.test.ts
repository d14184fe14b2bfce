// runner: tier=first seconds=90 needs=machine
import t from "tap";
import { openShell } from "../../fixtures/guest-shell.ts";
import {
  createComputer,
  powerOffFromShell,
  waitForReport,
} from "./computer.ts";

const KIND = (process.env["OVERLAY_KIND"] ??
  "overlay2-ext4") as "overlay2-ext4";

const computer = await createComputer(t, `overlay-${KIND}`, KIND);

await t.test("a computer comes up from layers of overlays", async (t) => {
  const vm = await computer.start(t);
  const { boot, systemd, failedUnits, hostname } = await waitForReport(vm);
  t.equal(systemd, "running", failedUnits);
  t.equal(boot.image?.id, computer.machine.images["demo:latest"]);
  t.equal(boot.isOverlay, true);
  t.equal(hostname, "demo-pc", "has the top layer's name");
  t.strictSame(boot.warnings, []);
  const shell = await openShell(vm);
  t.match(
    await shell("cat /proc/mounts"),
    /^overlay \/ overlay rw,.*upperdir=\/run\/initramfs\/dockroot\/docker_rwlayer\/upper/m,
  );
  await shell("echo lost? > /etc/written-at-first-start");
  await powerOffFromShell(vm);
});
