// runner: tier=first seconds=3
import fs from "fs-extra";
import t from "tap";
import { makeMountedDisk } from "../../../fixtures/loop-disk.ts";
import { run } from "../../../fixtures/run.ts";
import { compareListings, listTree } from "../../../fixtures/tree-listing.ts";
import { Disk } from "../../../runtime/disk/disk.ts";
import { holdLayers } from "../../../runtime/disk/overlay/layers.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { makeScratch } from "../scratch.ts";

await t.test("btrfs: layers in a NOCOW store are copied", async (t) => {
  const scratch = makeScratch(t, "held-layers");
  const top = `${scratch}/mnt`;
  const { close } = await makeMountedDisk(`${scratch}/disk`, top);
  t.teardown(close);
  const disk = new Disk(createHost("/", createLog([])), top, "root");
  const layer = (key: string) => ({ key, directory: `store/${key}` });
  for (const key of ["plain", "nocow"]) {
    await fs.mkdirp(`${top}/store/${key}`);
    if (key === "nocow") await run(["chattr", "+C", `${top}/store/${key}`]);
    await fs.outputFile(`${top}/store/${key}/etc/large`, "x".repeat(100_000));
    await fs.link(`${top}/store/${key}/etc/large`, `${top}/store/${key}/name`);
  }
  t.equal(await holdLayers(disk, [layer("plain")]), undefined);
  t.match(await holdLayers(disk, [layer("nocow")]), /NOCOW.*room of their own/);
  for (const key of ["plain", "nocow"]) {
    const held = listTree(`${top}/.dockroot/layers/${key}`);
    t.strictSame(compareListings(held, listTree(`${top}/store/${key}`)), []);
  }
  t.notOk(fs.existsSync(`${top}/.dockroot/layers.new`));
});
