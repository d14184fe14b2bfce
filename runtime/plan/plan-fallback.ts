import path from "node:path";
import type { DiskFacts, PathState } from "../disk/disk.ts";
import type { SubvolumeRecord } from "../records/rwlayer-state.ts";
import { nextGeneration } from "../options/rwlayer-names.ts";
import type { Step } from "./steps.ts";

/** A complete former root, and what makes the initramfs boot it. */
export interface FallbackCandidate {
  readonly record: SubvolumeRecord;
  /** Where it stands, relative to the top level. */
  readonly path: string;
  readonly steps: readonly Step[];
  /** Whether it is known by its own record alone. */
  readonly isAdopted: boolean;
}

/** What a root must have to boot. */
type Check = Pick<
  Extract<Step, { kind: "checkBootable" }>,
  "init" | "kernelRelease"
>;

/** The rwlayer that is there, where it is complete and ours. Touches nothing. */
export function planPresent(
  { paths, rwlayer }: DiskFacts,
  check: Check,
): FallbackCandidate | undefined {
  if (rwlayer.kind !== "subvolume" || rwlayer.record?.complete !== true) {
    return undefined;
  }
  return {
    record: rwlayer.record,
    path: paths.rwlayer,
    isAdopted: rwlayer.isAdopted,
    steps: [checkFormer(paths.rwlayer, check)],
  };
}

/**
 * A generation, where it is complete and ours: it is renamed back to the rwlayer's name. What of ours
 * stands there becomes a generation; somebody else's is not moved. Touches nothing.
 * @param names those in the generations' directory
 * @param from its path, relative to the top level
 */
export function planGeneration(
  { paths, rwlayer }: DiskFacts,
  names: readonly string[],
  from: string,
  generation: PathState,
  check: Check,
): FallbackCandidate | undefined {
  const isFree = rwlayer.kind === "nothing";
  const isOurs = rwlayer.kind === "subvolume" && rwlayer.record !== undefined;
  if (
    !(isFree || isOurs) ||
    generation.kind !== "subvolume" ||
    generation.record?.complete !== true
  ) {
    return undefined;
  }
  const { record } = generation;
  const makeRoom: Step = {
    kind: "keepAsGeneration",
    from: paths.rwlayer,
    to: path.join(paths.generations, nextGeneration(names)),
  };
  return {
    record,
    path: from,
    isAdopted: generation.isAdopted,
    steps: [
      checkFormer(from, check),
      {
        kind: "checkPlaces",
        places: [
          { path: from, uuid: record.uuid },
          ...(isFree
            ? []
            : [{ path: paths.rwlayer, uuid: rwlayer.subvolume.uuid }]),
        ],
      },
      ...(isFree ? [] : [makeRoom]),
      { kind: "restoreGeneration", from, to: paths.rwlayer },
      { kind: "sync", what: "its place" },
    ],
  };
}

function checkFormer(file: string, check: Check): Step {
  const what = `the former root ${file}`;
  return { kind: "checkBootable", path: file, what, ...check };
}
