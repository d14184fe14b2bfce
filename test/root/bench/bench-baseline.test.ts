// runner: tier=first seconds=5
import { readFileSync } from "node:fs";
import path from "node:path";
import { pid } from "node:process";
import t from "tap";
import { makeBootDisk, SMALL_LAYER } from "../../../bench/boot-disk.ts";
import { withCopyOf } from "../../../bench/disk-copy.ts";
import {
  DOCKROOT,
  measureBaseline,
  measureBoot,
  measureFromGate,
  type StartOptions,
} from "../../../bench/start.ts";
import { mountDisk } from "../../../fixtures/loop-disk.ts";
import {
  compareListings,
  listTree,
  type TreeListing,
} from "../../../fixtures/tree-listing.ts";
import { withoutOwnRecord } from "../made-root.ts";
import { makeScratch } from "../scratch.ts";

// What dockroot is measured by does the same work, and what is measured leaves nothing behind.

const LAYERS = 3;

const disk = await makeBootDisk(makeScratch(t, "bench-baseline"), LAYERS);

/** The root that a boot makes, the second time too. */
function makeRoot(
  measure: (file: string, options: StartOptions) => Promise<unknown>,
): Promise<TreeListing> {
  return withCopyOf(disk, async (file, scratch) => {
    for (const _ of ["the first boot", "the second"]) {
      await measure(file, { topLayer: SMALL_LAYER });
    }
    const { mountPoint, close } = await mountDisk(
      file,
      path.join(scratch, "mnt"),
    );
    try {
      // The shell script gives the root directory the attributes of the top layer's, dockroot does not.
      const { "": _, ...below } = listTree(
        path.join(mountPoint, "docker_rwlayer"),
      );
      return below;
    } finally {
      await close();
    }
  });
}

t.test("the shell script makes the same root as dockroot", async (t) => {
  const root = await makeRoot((file, options) =>
    measureBoot(file, options, DOCKROOT),
  );
  t.ok("etc/fstab" in root && "srv/layer-1" in root);
  for (const flags of [[], ["--scan"]]) {
    const made = await makeRoot((file, options) =>
      measureBaseline(file, options, flags),
    );
    t.strictSame(
      compareListings(withoutOwnRecord(made), withoutOwnRecord(root)),
      [],
      flags.join(),
    );
  }
});

t.test(
  "where a boot that has begun early fails, what follows waits no longer",
  async (t) => {
    await withCopyOf(disk, async (file) => {
      await t.rejects(
        measureFromGate(file, { tag: "absent" }, DOCKROOT),
        /the image system:absent is not in the store/,
      );
      const children = `/proc/self/task/${String(pid)}/children`;
      t.equal(readFileSync(children, "utf8"), "", "no process is left");
    });
  },
);
