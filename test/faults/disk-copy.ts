import { mkdtempSync, existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { Test } from "tap";
import { run } from "../../fixtures/run.ts";
import { undoLater } from "../../fixtures/undo.ts";
import { detach } from "../root/boot-disk.ts";

const MEMORY = "/dev/shm";

/** A directory in memory where there is such a thing: a campaign copies disks hundreds of times. */
export function makeFastScratch(t: Test, name: string): string {
  const parent = existsSync(MEMORY) ? MEMORY : os.tmpdir();
  const directory = mkdtempSync(path.join(parent, `dockroot-${name}-`));
  t.teardown(undoLater(() => rm(directory, { recursive: true, force: true })));
  return directory;
}

/** Copies a disk file that is not in use, and gives the copy a loop device for as long as the work takes. */
export async function withCopy<T>(
  original: string,
  copy: string,
  work: (device: string) => Promise<T>,
): Promise<T> {
  await run(["cp", "--sparse=always", "--", original, copy]);
  const leave = undoLater(() => detach(copy));
  try {
    return await work(await run(["losetup", "--find", "--show", "--", copy]));
  } finally {
    await leave();
    await rm(copy);
  }
}
