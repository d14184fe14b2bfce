import { writeFile } from "node:fs/promises";
import { run } from "../fixtures/run.ts";
import { makeBootDisk, SMALL_LAYER } from "./boot-disk.ts";
import type { Bench, Entry } from "./entry.ts";
import { bootContenders, compareBoots } from "./whole-boot.ts";

const LAYERS = 5;

export const coldStart: Entry = {
  name: "cold",
  describe: "a whole boot with nothing in memory: no disk, no executable",
  measure,
};

async function measure(bench: Bench): Promise<void> {
  const disk = await bench.progress("a disk with an image", () =>
    makeBootDisk(bench.scratch, LAYERS),
  );
  await compareBoots(
    bench,
    "a boot, the first, with cold caches",
    bootContenders(bench, () => disk, {
      topLayer: SMALL_LAYER,
      prepare: dropCaches,
    }),
  );
}

/** @see https://docs.kernel.org/admin-guide/sysctl/vm.html#drop-caches */
async function dropCaches(): Promise<void> {
  // What is not written yet stays in memory.
  await run(["sync"]);
  await writeFile("/proc/sys/vm/drop_caches", "3");
}
