import fs from "node:fs";
import path from "node:path";
import type { Test } from "tap";
import { makeCrashedDisk } from "../../fixtures/crashed-disk.ts";
import type { CrashPoint } from "../../fixtures/crash-points.ts";
import { attachDisk } from "../../fixtures/loop-disk.ts";
import { run } from "../../fixtures/run.ts";
import { stopIfInterrupted, undoLater } from "../../fixtures/undo.ts";
import { unmountBelow } from "../../fixtures/unmount.ts";
import { detach, rehearse } from "../root/boot-disk.ts";
import {
  contentsOf,
  takeInventory,
  type DiskInventory,
} from "./disk-inventory.ts";
import { describeMissingBase } from "./judge-bases.ts";
import {
  proveBases,
  proveFreshRoot,
  proveNothingLost,
  provePresentRoot,
  type RootExpectation,
} from "./prove-root.ts";
import type { DurabilityPromise } from "./recorded-start.ts";
import { optionsOf } from "./written-disk.ts";

/** A cut to be tried. */
export interface Cut {
  readonly point: CrashPoint;
  /** The disk as it was before the boot that was cut. */
  readonly former: string;
  readonly before: DiskInventory;
  /** What the boot that was cut had promised by its end. */
  readonly promises: readonly DurabilityPromise[];
}

export interface CutOutcome {
  /** What is wrong, in words; nothing where the machine survived. */
  readonly problems: readonly string[];
  /** What was visible after the cut; `undefined` where that could not be read. */
  readonly crashed: DiskInventory | undefined;
}

export interface CutBench {
  /**
   * Makes the disk that a cut leaves, and starts from it once more with the built executable. One at
   * a time: copies of a btrfs have the same UUID, and the kernel mounts one of them only.
   * @throws Error where no disk can be made, or the last one is still in use
   */
  readonly survive: (cut: Cut) => Promise<CutOutcome>;
  /** The disk that the last boot left. */
  readonly disk: string;
  /** Milliseconds that each stage took, of all cuts together. */
  readonly spentMs: ReadonlyMap<string, number>;
}

/** @param directory for the disk, one at a time */
export function createCutBench(
  t: Test,
  directory: string,
  label: string,
  expectation: RootExpectation,
): CutBench {
  const disk = path.join(directory, "crashed.img");
  const mountPoint = path.join(directory, "mnt");
  fs.mkdirSync(mountPoint, { recursive: true });
  const place = { scratch: directory, label };
  const machine = rehearse(t, place, expectation.rwlayer, optionsOf({ label }));
  const spentMs = new Map<string, number>();
  const time = async <T>(stage: string, work: () => T | Promise<T>) => {
    const start = performance.now();
    try {
      return await work();
    } finally {
      const ms = performance.now() - start;
      spentMs.set(stage, (spentMs.get(stage) ?? 0) + ms);
    }
  };

  const look = async (device: string) => {
    stopIfInterrupted();
    const options = ["-o", "ro,subvolid=5"];
    const mounting = run(["mount", ...options, "--", device, mountPoint]);
    const leave = undoLater(async () => {
      await Promise.allSettled([mounting]);
      await unmountBelow(mountPoint);
    });
    try {
      await mounting;
      return await takeInventory(mountPoint);
    } finally {
      await leave();
    }
  };

  const start = () => {
    fs.rmSync(machine.runDirectory, { recursive: true, force: true });
    const { status, stderr } = machine.boot();
    if (status !== 0) throw new Error(`dockroot boot: ${stderr.trimEnd()}`);
    const { result, subvolumeUuid } = machine.record();
    if (result !== "fresh") {
      throw new Error(`dockroot boot made a ${result} root: ${stderr}`);
    }
    const finished = machine.finish();
    if (finished.status !== 0) {
      throw new Error(`dockroot finish: ${finished.stderr.trimEnd()}`);
    }
    return subvolumeUuid;
  };

  const survive = async ({ point, former, before, promises }: Cut) => {
    if (fs.existsSync(disk)) await detach(disk);
    await time("make the disk", () =>
      makeCrashedDisk(former, point.pieces, disk),
    );
    const problems: string[] = [];
    let crashed: DiskInventory | undefined;
    stopIfInterrupted();
    const { device, close } = await attachDisk(disk);
    try {
      await time("btrfs check", () =>
        run(["btrfs", "check", "--readonly", "--", device]),
      );
      crashed = await time("look after the cut", () => look(device));
      const contents = contentsOf(crashed);
      problems.push(
        ...provePresentRoot(crashed, expectation, before).map(atCut),
        ...proveNothingLost(before, crashed, expectation).map(atCut),
        ...proveBases(crashed, expectation, before).map(atCut),
        ...promises
          .filter(({ requests }) => requests <= point.requests)
          .filter(({ sha256 }) => !contents.has(sha256))
          .map(({ sha256 }) => atCut(`the durable file ${sha256} is lost`)),
      );
      const uuid = await time("dockroot boot and finish", start);
      const after = await time("look after the boot", () => look(device));
      problems.push(
        ...proveFreshRoot(after, expectation, uuid),
        ...proveNothingLost(crashed, after, expectation),
        ...proveBases(after, expectation, crashed),
        ...describeMissingBase(after.subvolumes, uuid),
      );
    } catch (error) {
      stopIfInterrupted();
      problems.push(String(error));
    }
    try {
      await unmountBelow(machine.runDirectory);
      await close();
    } catch (error) {
      stopIfInterrupted();
      problems.push(String(error));
    }
    return { problems, crashed };
  };
  return { survive, disk, spentMs };
}

function atCut(problem: string): string {
  return `already after the cut: ${problem}`;
}
