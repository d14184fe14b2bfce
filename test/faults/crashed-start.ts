import { rm } from "node:fs/promises";
import {
  cutIntoPieces,
  findCrashPoint,
  listCrashPoints,
  type CrashPoint,
} from "../../fixtures/crash-points.ts";
import { makeCrashedDisk } from "../../fixtures/crashed-disk.ts";
import { copyDisk } from "../../fixtures/loop-disk.ts";
import { recordAndKeep, type PowerCutSetup } from "./power-cut-setup.ts";
import type { RecordedStart } from "./recorded-start.ts";

/**
 * Starts the computer from what a cut of its first boot left, and records that.
 * @param crashed gets the disk as the cut left it
 * @param name of the record that is kept
 * @throws Error where it does not come up with a new root
 */
export async function startAfterCut(
  { base, expectation }: PowerCutSetup,
  point: CrashPoint,
  crashed: string,
  name: string,
): Promise<RecordedStart> {
  await makeCrashedDisk(base, point.pieces, crashed);
  const disk = `${crashed}.started`;
  try {
    await copyDisk(crashed, disk);
    const start = await recordAndKeep(disk, name);
    const { boot, root } = start;
    if (boot.result !== "fresh" || root !== `/${expectation.rwlayer}`) {
      throw new Error(`it came up from ${root}: ${JSON.stringify(boot)}`);
    }
    return start;
  } finally {
    await rm(disk, { force: true });
  }
}

/**
 * A boot's whole record, as if the power failed after its end, and points within.
 * @param seed as for `listCrashPoints`
 */
export function pickCrashPoints(
  { requests }: RecordedStart,
  count: number,
  seed: number,
): CrashPoint[] {
  const pieces = cutIntoPieces(requests);
  const points = [findCrashPoint(pieces, `prefix:${String(pieces.length)}`)];
  for (const point of listCrashPoints(pieces, seed)) {
    if (points.length === count) break;
    points.push(point);
  }
  return points;
}
