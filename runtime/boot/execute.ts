import path from "node:path";
import { checkBootable, modulesIn } from "./bootable.ts";
import {
  moveSubvolume,
  refuseImmutable,
  snapshotSubvolume,
  syncFilesystem,
  waitForFreedSpace,
} from "../disk/btrfs.ts";
import type { BootContext } from "./boot-context.ts";
import type { Disk } from "../disk/disk.ts";
import { showKeptImage } from "../disk/kept-images.ts";
import { holdLayers } from "../disk/overlay/layers.ts";
import { OverlayDisk } from "../disk/overlay/overlay-disk.ts";
import { BootError } from "../base/errors.ts";
import type { Host } from "../host/host.ts";
import type { Recorder } from "./recorder.ts";
import type {
  RwlayerState,
  SubvolumeRecord,
} from "../records/rwlayer-state.ts";
import {
  findListed,
  listSubvolumes,
  deleteTree,
  findTree,
  snapshotNested,
} from "../disk/subvolumes.ts";
import { describeStep, type Step } from "../plan/steps.ts";
import { copyAttributes, executeMerge } from "../toplayer/execute-merge.ts";
import { shortenWarnings } from "../tree/merge-plan.ts";

interface ExecutionContext extends BootContext {
  readonly disk: Disk;
  readonly state: RwlayerState;
}

/** Mount options with which new files share no data with those of other mounts. */
const NODATA = /\bnodata(?:cow|sum)\b/;

/**
 * Stops at the first step that fails: a half-built root must never be booted.
 * @returns the record of the subvolume that was made; `undefined` where none was
 * @throws BootError
 */
export async function executeSteps(
  steps: readonly Step[],
  context: ExecutionContext,
): Promise<SubvolumeRecord | undefined> {
  let made: SubvolumeRecord | undefined;
  for (const step of steps) {
    made = await context.recorder.time(
      describeStep(step),
      async (tellProgress) =>
        (await perform(step, made, context, tellProgress)) ?? made,
    );
  }
  return made;
}

async function perform(
  step: Step,
  made: SubvolumeRecord | undefined,
  context: ExecutionContext,
  tellProgress: (describe: () => string) => void,
): Promise<SubvolumeRecord | undefined> {
  const { host, recorder, disk, state } = context;
  // Reading a subvolume that is in no state file changes its access times, so that it seems written to.
  const discardOnFailure = async <T>(file: string, work: () => Promise<T>) => {
    try {
      return await work();
    } catch (error) {
      await recorder.tolerate(async () => {
        if (disk.isOverlay || !disk.hasSubvolume(file)) return;
        await deleteTree(disk, await findTree(disk, file));
      });
      throw error;
    }
  };
  switch (step.kind) {
    case "createDirectory":
      for (const parent of withParents(step.path)) {
        host.files.ensureDirectory(disk.at(parent), 0o700);
      }
      return undefined;
    case "setStateAside":
      host.files.setAside(disk.at(step.path));
      return undefined;
    case "deleteStaging": {
      if (disk.isOverlay) {
        overlayOf(disk).removeRoot(step.path);
        return undefined;
      }
      const ids = await deleteTree(disk, await findTree(disk, step.path));
      // It may be what filled the disk: the new one would not find its room.
      await recorder.tolerate(() => waitForFreedSpace(disk, ids));
      return undefined;
    }
    case "snapshot":
      requireAbsent(disk, step.to);
      refuseImmutable(host, disk.at(step.from), step.from);
      await discardOnFailure(step.to, () =>
        snapshotSubvolume(host, disk.at(step.from), disk.at(step.to)),
      );
      return undefined;
    case "holdLayers": {
      const warning = await holdLayers(disk, step.layers);
      if (warning !== undefined) recorder.warn(warning);
      return undefined;
    }
    case "makeUpper":
      await overlayOf(disk).makeUpper(step.to, step.from, step.isCopied);
      return undefined;
    case "mountRoot":
      await overlayOf(disk).mountRoot(step.path, step.place);
      return undefined;
    case "mountVolatile": {
      const { layers = [] } = step.record;
      await overlayOf(disk).mountVolatile(step.path, layers);
      return { uuid: await disk.identify(step.path), ...step.record };
    }
    case "copyRootAttributes": {
      const { mergeMount: scratch } = context;
      const pair = { from: step.from, to: disk.treeAt(step.path) };
      await copyAttributes({ host, scratch }, [pair]);
      return undefined;
    }
    case "mountInMemory":
      await overlayOf(disk).mountVolatile(step.path);
      return undefined;
    case "unmountRoot":
      await overlayOf(disk).unmountRoot(step.path);
      return undefined;
    case "snapshotNested":
      await snapshotNested(disk, step.from, step.to);
      return undefined;
    case "fillGaps":
      for (const gap of step.gaps) {
        host.files.replaceEmptyDirectory(
          Buffer.from(disk.at(path.join(step.path, gap.path))),
          gap,
        );
      }
      return undefined;
    case "removeLeftOvers":
      for (const file of step.files) {
        const whole = path.join(disk.treeAt(step.path), file);
        host.files.removeTree(Buffer.from(whole));
      }
      return undefined;
    case "copyTopLayer":
      tellWarnings(recorder, step.merge.warnings);
      tellWarnings(
        recorder,
        await executeMerge(
          host,
          step.merge,
          {
            tree: disk.treeAt(step.to),
            scratch: context.mergeMount,
            sharing:
              disk.isOverlay ||
              NODATA.test(context.options.disk.mountFlags.join())
                ? undefined
                : disk.topLevel,
          },
          tellProgress,
        ),
      );
      return undefined;
    case "copyModules":
      await copyModules(
        host,
        await showKeptImage(disk, step.from),
        disk.treeAt(step.to),
        step.release,
      );
      return undefined;
    case "checkBootable": {
      const warning = checkBootable(host, disk.treeAt(step.path), step);
      if (warning !== undefined) recorder.warn(warning);
      return undefined;
    }
    case "recordSubvolume": {
      const record = async () => {
        const uuid = made?.uuid ?? (await disk.identify(step.path));
        const whole = { uuid, ...step.record, handedOver: null };
        disk.writeRecord(step.path, whole, state);
        return whole;
      };
      return made === undefined
        ? discardOnFailure(step.path, record)
        : record();
    }
    case "sync":
      await syncFilesystem(disk);
      return undefined;
    case "checkPlaces":
      await checkPlaces(context, step.places, made);
      return undefined;
    case "keepAsGeneration":
    case "putInPlace":
    case "restoreGeneration":
      requireAbsent(disk, step.to);
      refuseImmutable(host, disk.at(step.from), step.from);
      if (disk.isOverlay)
        host.files.rename(disk.at(step.from), disk.at(step.to));
      else await moveSubvolume(host, disk.at(step.from), disk.at(step.to));
      return undefined;
    default:
      return step satisfies never;
  }
}

function overlayOf(disk: Disk): OverlayDisk {
  if (disk instanceof OverlayDisk) return disk;
  throw new Error("this root is not an overlay");
}

/** Of a kernel that another image has: without them the tree would have few drivers. */
async function copyModules(
  host: Host,
  from: string,
  to: string,
  release: string,
): Promise<void> {
  const [source, target] = [from, to].map((tree) =>
    modulesIn(host, tree, release),
  );
  if (source === undefined || target === undefined) return;
  host.files.ensureDirectories(path.dirname(target));
  await host.run(["cp", "-a", "--reflink=auto", "--", source, target]);
}

/** The warnings of a merge name files that not everybody may see: the record says how many there are. */
function tellWarnings(recorder: Recorder, warnings: readonly string[]): void {
  const count = warnings.length;
  if (count === 0) return;
  for (const warning of shortenWarnings(warnings)) recorder.detail(warning);
  recorder.warn(
    `merging the top layer gave ${count === 1 ? "a warning" : `${String(count)} warnings`}: see boot.log, or run dockroot toplayer check`,
  );
}

/** @throws BootError STEP_FAILED where something stands there */
function requireAbsent(disk: Disk, file: string): void {
  const whole = disk.at(file);
  if (disk.host.files.statusOf(whole) === undefined) return;
  throw new BootError("STEP_FAILED", `${whole} exists already`, {
    hint: SOMETHING_ELSE_WRITES,
  });
}

const SOMETHING_ELSE_WRITES =
  "It was not so when this boot began: something else writes to the disk. Try again.";

/** @throws BootError STEP_FAILED where one is not there, or another is, or the lock is lost */
async function checkPlaces(
  { disk, lock }: ExecutionContext,
  places: Extract<Step, { kind: "checkPlaces" }>["places"],
  made: SubvolumeRecord | undefined,
): Promise<void> {
  const list = disk.isOverlay ? undefined : await listSubvolumes(disk);
  if (!lock.isHeld()) {
    throw new BootError("STEP_FAILED", "the disk's lock was lost", {
      hint: "The program that holds it (cat) was killed. Try again.",
    });
  }
  for (const { path: file, uuid = made?.uuid } of places) {
    const found =
      list === undefined
        ? (await disk.inspect(file, disk.readState())).record
        : await findListed(disk, list, file);
    if (found !== undefined && found.uuid === uuid) continue;
    throw new BootError(
      "STEP_FAILED",
      `another root has taken the place of ${file}`,
      { hint: SOMETHING_ELSE_WRITES },
    );
  }
}

/** `a/b/c` as `a`, `a/b`, `a/b/c`. */
function withParents(file: string): string[] {
  const parts = file.split("/");
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}
