import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { copyDisk } from "../fixtures/loop-disk.ts";
import { run } from "../fixtures/run.ts";
import { stopIfInterrupted, undoLater } from "../fixtures/undo.ts";

/** Gives the work a copy of a disk: always the same one, of which no filesystem has anything in memory. */
export async function withCopyOf<T>(
  disk: string,
  work: (file: string, scratch: string) => Promise<T>,
): Promise<T> {
  stopIfInterrupted();
  const scratch = await mkdtemp(`${disk}-copy-`);
  const remove = undoLater(() => rm(scratch, { recursive: true, force: true }));
  try {
    const file = join(scratch, "disk");
    await copyDisk(disk, file);
    // What is still being written would take its time from the one who is measured.
    await run(["sync", "--", file]);
    return await work(file, scratch);
  } finally {
    await remove();
  }
}
