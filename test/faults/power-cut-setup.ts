import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Test } from "tap";
import { parseBlockWriteLog } from "../../fixtures/block-write-log.ts";
import type { CrashPoint } from "../../fixtures/crash-points.ts";
import { copyDisk, mountDisk } from "../../fixtures/loop-disk.ts";
import { makeDemoMachine } from "../../fixtures/machine.ts";
import { overlayListing } from "../../fixtures/overlay-listing.ts";
import { listTree } from "../../fixtures/tree-listing.ts";
import type { Cut } from "./cut-bench.ts";
import { takeInventory, type DiskInventory } from "./disk-inventory.ts";
import type { RootExpectation } from "./prove-root.ts";
import {
  recordStart,
  USER_INIT,
  type RecordedStart,
} from "./recorded-start.ts";
import {
  makeWrittenDisk,
  optionsOf,
  RWLAYER,
  TOP_LAYER_PATH,
  USER_DIRECTORY,
} from "./written-disk.ts";

/** What the power is cut to: a used computer, and the record of one boot of it. */
export interface PowerCutSetup {
  readonly label: string;
  /** The disk before the recorded start. */
  readonly base: string;
  readonly before: DiskInventory;
  readonly first: RecordedStart;
  readonly expectation: RootExpectation;
}

/**
 * Kept until the next run: the timing of each run is another, so a point of one run can be tried
 * again on its own records alone.
 */
export const KEPT = path.join(import.meta.dirname, "../../.cache/power-cut");
const KERNEL = "vmlinuz";
const INITRAMFS = "initrd.img";
const FIRST = "first";
const LABEL = path.join(KEPT, "label");
const BASE = path.join(KEPT, "base.img");

/** Makes the computer and records a boot of it. */
export async function setUpPowerCut(t: Test): Promise<PowerCutSetup> {
  await rm(KEPT, { recursive: true, force: true });
  await mkdir(KEPT, { recursive: true });
  // Its kernel and initramfs are used, with a smaller disk.
  const machine = await makeDemoMachine(async (step, work) => {
    t.comment(step);
    return work(() => undefined);
  });
  await copyFile(machine.kernel, path.join(KEPT, KERNEL));
  await copyFile(machine.initramfs, path.join(KEPT, INITRAMFS));
  const disk = await makeWrittenDisk(t, "power-cut", USER_INIT);
  await copyDisk(disk.file, BASE);
  await writeFile(LABEL, disk.label);
  await recordAndKeep(disk.file, FIRST);
  return readPowerCut();
}

/** @throws Error where no run has kept its records */
export async function readPowerCut(): Promise<PowerCutSetup> {
  const first = await readKeptStart(FIRST);
  const { source } = first.boot;
  if (source === null) throw new Error("the recorded start made no new root");
  const mounted = await mountDisk(BASE, path.join(KEPT, "mnt"), [
    ...["ro", "subvolid=5"],
  ]);
  try {
    const top = mounted.mountPoint;
    const image = listTree(path.join(top, source));
    const topLayer = listTree(path.join(top, TOP_LAYER_PATH));
    return {
      label: await readFile(LABEL, "utf8"),
      base: BASE,
      before: await takeInventory(top),
      first,
      expectation: {
        rwlayer: RWLAYER,
        root: overlayListing(image, topLayer),
        userDirectory: USER_DIRECTORY,
      },
    };
  } finally {
    await mounted.close();
  }
}

/**
 * Starts the computer from a disk, and keeps the record under a name.
 * @param disk is written to
 * @throws Error where it does not come up
 */
export async function recordAndKeep(
  disk: string,
  name: string,
): Promise<RecordedStart> {
  const place = placeOf(name);
  await mkdir(place, { recursive: true });
  const label = await readFile(LABEL, "utf8");
  const start = await recordStart(
    {
      kernel: path.join(KEPT, KERNEL),
      initramfs: path.join(KEPT, INITRAMFS),
      ...{ label, options: optionsOf({ label }) },
    },
    disk,
    path.join(place, "log"),
  );
  const { promises, boot, root } = start;
  await writeFile(
    path.join(place, "start.json"),
    JSON.stringify({ promises, boot, root }),
  );
  return start;
}

/** @throws Error where there is no such record */
export async function readKeptStart(name: string): Promise<RecordedStart> {
  const place = placeOf(name);
  if (!existsSync(path.join(place, "start.json"))) {
    throw new Error(`${place} has no record: run the campaign first`);
  }
  const log = await readFile(path.join(place, "log"));
  return {
    ...(JSON.parse(
      await readFile(path.join(place, "start.json"), "utf8"),
    ) as Omit<RecordedStart, "requests">),
    requests: parseBlockWriteLog(log),
  };
}

/** The recorded start, cut at a point. */
export function cutFirstStart(
  { base, before, first }: PowerCutSetup,
  point: CrashPoint,
): Cut {
  return { point, former: base, before, promises: first.promises };
}

function placeOf(name: string): string {
  return path.join(KEPT, name.replaceAll(/[:/]/g, "-"));
}
