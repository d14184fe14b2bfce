// runner: tier=first seconds=110 whole=400 needs=machine,dracut,engines
import { rm } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { openShell } from "../../fixtures/guest-shell.ts";
import { flattenOverlay } from "../../fixtures/loop-disk.ts";
import { findMachine } from "../../fixtures/machine-kinds.ts";
import {
  OVERLAY_CELLS,
  type OverlayCell,
} from "../../fixtures/overlay-cells.ts";
import { run } from "../../fixtures/run.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import {
  createComputer,
  powerOffFromShell,
  waitForReport,
} from "./computer.ts";

const GENERATION =
  "/run/initramfs/dockroot/.dockroot/docker_rwlayer/generations/1";

/** By hand, also one that the table does not have yet: CELL="podman-xfs dracut". */
const only = process.env["CELL"];
const sample = sampleSeed() % OVERLAY_CELLS.length;
const cells =
  only === undefined
    ? OVERLAY_CELLS.filter((_, index) => isWholeTier() || index === sample)
    : [only.split(" ") as unknown as OverlayCell];

for (const [kind, generator] of cells) {
  await t.test(`${kind}, ${generator}`, (t) => tryCell(t, kind, generator));
}

async function tryCell(
  t: Test,
  ...[kind, generator]: OverlayCell
): Promise<void> {
  const isExt4 = kind.endsWith("ext4");
  const computer = await createComputer(
    t,
    `overlay-${kind}-${generator}`,
    kind,
  );
  const image = computer.machine.images["demo:latest"];
  const initramfs =
    generator === "dracut"
      ? (await findMachine("dracut", (_, work) => work(() => undefined)))
          .initramfs
      : computer.machine.initramfs;

  await t.test("a computer comes up from layers of overlays", async (t) => {
    const vm = await computer.start(t, { initramfs });
    const { boot, systemd, failedUnits, hostname } = await waitForReport(vm);
    t.equal(systemd, "running", failedUnits);
    t.match(boot, { image: { id: image }, isOverlay: true, warnings: [] });
    t.type(boot.waitedMs, "number", "it was made by what had begun early");
    t.equal(hostname, "demo-pc", "has the top layer's name");
    const shell = await openShell(vm);
    t.match(
      await shell("cat /proc/mounts"),
      /^overlay \/ overlay rw,.*upperdir=\/run\/initramfs\/dockroot\/docker_rwlayer\/upper/m,
    );
    t.equal(await shell("grep -c ' /run/dockroot' /proc/mounts || true"), "0");
    await shell("echo mine > /etc/written-at-first-start");
    // The kernel notes an error of the filesystem, as it does where it finds one.
    if (isExt4) await shell("echo made > /sys/fs/ext4/*/trigger_fs_error");
    await powerOffFromShell(vm);
  });

  await t.test(
    "the next boot begins anew, with `ro`, and outlives the engine's store",
    async (t) => {
      const vm = await computer.start(t, { cmdline: "ro", initramfs });
      const { boot, systemd, failedUnits } = await waitForReport(vm);
      t.equal(systemd, "running", failedUnits);
      t.match(boot, { result: "fresh", boot: 2 });
      const shell = await openShell(vm);
      t.equal(
        await shell("dmesg | grep -c 'mounting fs with errors' || true"),
        "0",
        "it was repaired before it was mounted",
      );
      await shell("test ! -e /etc/written-at-first-start");
      t.equal(
        await shell(`cat ${GENERATION}/upper/etc/written-at-first-start`),
        "mine",
      );
      const count = await shell("find /usr -xdev | wc -l");
      await shell("rm -rf /var/lib/docker/* /var/lib/containers/storage/*");
      await shell("echo 3 > /proc/sys/vm/drop_caches");
      t.equal(await shell("find /usr -xdev | wc -l"), count, "it is whole");
      await powerOffFromShell(vm);
    },
  );

  await t.test("its disk was left in order", async (t) => {
    const disk = join(computer.workDir, "flat.img");
    t.teardown(() => rm(disk));
    await flattenOverlay(computer.overlay, disk);
    if (isExt4) {
      const said = await run(["dumpe2fs", "-h", disk]);
      t.notMatch(said, /needs_recovery/);
      t.match(said, /^Filesystem state: +clean$/m);
      await run(["e2fsck", "-fn", disk]);
    }
    if (kind.endsWith("xfs")) await run(["xfs_repair", "-n", disk]);
  });
}
