import path from "node:path";
import { checkBootable } from "./bootable.ts";
import {
  deleteSubvolumeTree,
  moveSubvolume,
  readSubvolumeUuid,
  snapshotSubvolume,
  syncFilesystem,
  waitForFreedSpace,
} from "./btrfs.ts";
import { BootError } from "./host/errors.ts";
import type { Host } from "./host/host.ts";
import type { Recorder } from "./recorder.ts";
import {
  writeState,
  type RwlayerPaths,
  type RwlayerState,
  type SubvolumeRecord,
} from "./rwlayer-state.ts";
import { describeStep, type Step } from "./steps.ts";
import { copyTopLayer } from "./toplayer.ts";

export interface ExecutionContext {
  readonly host: Host;
  readonly recorder: Recorder;
  /** Where the filesystem's top level is mounted. */
  readonly topLevel: string;
  readonly paths: RwlayerPaths;
  readonly state: RwlayerState;
}

/**
 * Stops at the first step that fails: a half-built root must never be booted.
 * @returns the record of the new rwlayer
 * @throws BootError
 */
export async function executeSteps(
  steps: readonly Step[],
  context: ExecutionContext,
): Promise<SubvolumeRecord> {
  let made: SubvolumeRecord | undefined;
  for (const step of steps) {
    made = await context.recorder.time(
      describeStep(step),
      async () => (await perform(step, context)) ?? made,
    );
  }
  if (made === undefined) throw new Error("the plan recorded no subvolume");
  return made;
}

async function perform(
  step: Step,
  { host, recorder, topLevel, paths, state }: ExecutionContext,
): Promise<SubvolumeRecord | undefined> {
  const at = (file: string) => path.join(topLevel, file);
  switch (step.kind) {
    case "createDirectory":
      for (const parent of withParents(step.path)) {
        host.files.ensureDirectory(at(parent), 0o700);
      }
      return undefined;
    case "deleteStaging":
      // It may be what filled the disk: the new one would not find its room.
      await waitForFreedSpace(
        host,
        topLevel,
        await deleteSubvolumeTree(host, topLevel, step.path),
      );
      return undefined;
    case "snapshot":
      await snapshotSubvolume(host, at(step.from), at(step.to));
      return undefined;
    case "copyTopLayer":
      await copyTopLayer(host, step.from, at(step.to));
      return undefined;
    case "checkBootable": {
      const warning = checkBootable(host, at(step.path), step);
      if (warning !== undefined) recorder.warn(warning);
      return undefined;
    }
    case "recordSubvolume": {
      const uuid = await readSubvolumeUuid(host, at(step.path));
      const record = { ...step.record, uuid };
      writeState(host, topLevel, paths, {
        ...state,
        subvolumes: [...state.subvolumes, record],
      });
      return record;
    }
    case "sync":
      await syncFilesystem(host, topLevel);
      return undefined;
    case "keepAsGeneration":
    case "putInPlace":
      if (host.files.statusOf(at(step.to)) !== undefined) {
        throw new BootError("STEP_FAILED", `${step.to} is there already`);
      }
      await moveSubvolume(host, at(step.from), at(step.to));
      return undefined;
    default:
      return step satisfies never;
  }
}

/** `a/b/c` as `a`, `a/b`, `a/b/c`. */
function withParents(file: string): string[] {
  const parts = file.split("/");
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}
