import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { mountDisk } from "../fixtures/loop-disk.ts";
import { run } from "../fixtures/run.ts";
import { makeBootDisk, SMALL_LAYER } from "./boot-disk.ts";
import type { Contender } from "./comparison.ts";
import type { Bench, Entry } from "./entry.ts";
import { bootContenders, compareBoots, keepFirstBoots } from "./whole-boot.ts";

const LAYERS = [5, 30, 100];
const FILESYSTEMS = ["btrfs", "ext4", "xfs"] as const;

export const overlays: Entry = {
  name: "overlays",
  describe: `a boot of ${LAYERS.join(", ")} layers of overlay2 on ext4 and xfs, beside subvolumes of btrfs`,
  measure,
};

async function measure(bench: Bench): Promise<void> {
  for (const layers of LAYERS) {
    const first: Contender[] = [];
    const second: Contender[] = [];
    for (const fsType of FILESYSTEMS) {
      const name = `${fsType}-${String(layers)}`;
      const scratch = join(bench.scratch, name);
      await mkdir(scratch);
      const disk = await bench.progress(
        `an image of ${String(layers)} layers on ${fsType}`,
        () => makeBootDisk(scratch, layers, fsType),
      );
      const options = {
        topLayer: SMALL_LAYER,
        isOverlay: fsType !== "btrfs",
      };
      // The shell script knows subvolumes alone.
      const keep = (all: Contender[]) =>
        all.slice(fsType === "btrfs" ? 0 : 1).map((contender) => ({
          ...contender,
          name: `${contender.name}, ${fsType}`,
        }));
      first.push(...keep(bootContenders(bench, () => disk, options)));
      const former = await keepFirstBoots(bench, disk, options);
      if (options.isOverlay) {
        for (const { name } of bench.executables) {
          await leaveToNextKernel(former(name));
        }
      }
      second.push(...keep(bootContenders(bench, former, options)));
    }
    const title = `a boot, ${String(layers)} layers`;
    await compareBoots(bench, `${title}, the first`, first);
    await compareBoots(bench, `${title}, the second`, second);
  }
}

/** The kernel that runs has had its root, which dockroot does not replace under it. */
async function leaveToNextKernel(disk: string): Promise<void> {
  const { mountPoint, close } = await mountDisk(disk, `${disk}-mnt`);
  try {
    const record = join(mountPoint, "docker_rwlayer/root.json");
    await run([
      "sed",
      "-i",
      's/"bootId": *"[^"]*"/"bootId": "earlier"/',
      record,
    ]);
  } finally {
    await close();
  }
}
