import { existsSync, mkdtempSync, statfsSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import type { Test } from "tap";
import { copyDisk } from "../../fixtures/loop-disk.ts";
import { run } from "../../fixtures/run.ts";
import { undoLater } from "../../fixtures/undo.ts";
import { detach } from "../root/boot-disk.ts";
import { makeScratch } from "../root/scratch.ts";

const MEMORY = "/dev/shm";
/** A few disks of 512 MiB, which are mostly empty. */
const NEEDED_BYTES = 1024 ** 3;

/** A scratch directory in memory where there is room: a campaign copies disks hundreds of times. */
export function makeFastScratch(t: Test, name: string): string {
  if (!hasRoom(MEMORY)) return makeScratch(t, name);
  const directory = mkdtempSync(path.join(MEMORY, `dockroot-${name}-`));
  t.teardown(undoLater(() => rm(directory, { recursive: true, force: true })));
  return directory;
}

function hasRoom(directory: string): boolean {
  if (!existsSync(directory)) return false;
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize >= NEEDED_BYTES;
}

/** Copies a disk file that is not in use, and gives the copy a loop device for as long as the work takes. */
export async function withCopy<T>(
  original: string,
  copy: string,
  work: (device: string) => Promise<T>,
): Promise<T> {
  await copyDisk(original, copy);
  const leave = undoLater(() => detach(copy));
  try {
    return await work(await run(["losetup", "--find", "--show", "--", copy]));
  } finally {
    await leave();
    await rm(copy);
  }
}
