import path from "node:path";
import type { DiskFacts, PathState } from "../disk/disk.ts";
import type { SubvolumeRecord } from "../records/rwlayer-state.ts";
import { nextGeneration } from "../options/rwlayer-names.ts";
import type { BootCheck, Step } from "./steps.ts";

/** A complete earlier root, and what makes the initramfs boot it. */
export interface FallbackCandidate {
  readonly record: SubvolumeRecord;
  /** Where it stands, relative to the top level. */
  readonly path: string;
  /** Where it boots from. */
  readonly root: string;
  readonly steps: readonly Step[];
  /** Whether it is known by its own record alone. */
  readonly isAdopted: boolean;
}

/** The rwlayer that is there, where it is complete and ours. Touches nothing. */
export function planPresent(
  { paths, rwlayer }: DiskFacts,
  check: BootCheck,
): FallbackCandidate | undefined {
  const { record, isAdopted } = rwlayer;
  if (record?.complete !== true) return undefined;
  const steps = [
    ...mountIfOverlay(record, paths.rwlayer, "root"),
    checkFormer(paths.rwlayer, check),
  ];
  return {
    ...{ record, path: paths.rwlayer, root: paths.rwlayer },
    ...{ isAdopted: isAdopted === true, steps },
  };
}

/**
 * A generation, where it is complete and ours: it is renamed back to the rwlayer's name. What of ours
 * stands there becomes a generation. Somebody else's is not moved: an overlay boots from where it stands
 * then, which no subvolume can. Touches nothing.
 * @param names those in the generations' directory
 * @param from its path, relative to the top level
 */
export function planGeneration(
  { paths, rwlayer: present }: DiskFacts,
  names: readonly string[],
  from: string,
  { record, isAdopted }: PathState,
  check: BootCheck,
): FallbackCandidate | undefined {
  if (record?.complete !== true) return undefined;
  const { rwlayer, generations } = paths;
  const known = { record, path: from, isAdopted: isAdopted === true };
  if (present.kind !== "nothing" && present.record === undefined) {
    if (record.layers === undefined) return undefined;
    const steps = [
      ...mountIfOverlay(record, from, "root"),
      checkFormer(from, check),
    ];
    return { ...known, root: from, steps };
  }
  const steps: Step[] = [
    ...mountIfOverlay(record, from, "next"),
    checkFormer(from, check),
  ];
  if (record.layers !== undefined) {
    steps.push({ kind: "unmountRoot", path: from });
  }
  const place = { path: from, uuid: record.uuid };
  if (present.record === undefined) {
    steps.push({ kind: "checkPlaces", places: [place] });
  } else {
    const { uuid } = present.record;
    const to = path.join(generations, nextGeneration(names));
    steps.push(
      { kind: "checkPlaces", places: [place, { path: rwlayer, uuid }] },
      { kind: "keepAsGeneration", from: rwlayer, to },
    );
  }
  steps.push(
    { kind: "restoreGeneration", from, to: rwlayer },
    { kind: "sync", what: "the renames" },
    ...mountIfOverlay(record, rwlayer, "root"),
  );
  return { ...known, root: rwlayer, steps };
}

/** An overlay as it is, where the disk takes nothing that is written to it. Touches nothing. */
export function planInMemory(
  candidate: FallbackCandidate,
  check: BootCheck,
): FallbackCandidate {
  const { path: root } = candidate;
  const steps: Step[] = [
    { kind: "mountInMemory", path: root },
    checkFormer(root, check),
  ];
  return { ...candidate, root, steps };
}

function mountIfOverlay(
  { layers }: SubvolumeRecord,
  file: string,
  place: "next" | "root",
): Step[] {
  return layers === undefined ? [] : [{ kind: "mountRoot", path: file, place }];
}

function checkFormer(file: string, check: BootCheck): Step {
  const what = `the earlier root ${file}`;
  return { kind: "checkBootable", path: file, what, ...check };
}
