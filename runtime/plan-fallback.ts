import path from "node:path";
import type { DiskFacts, StandingSubvolume } from "./facts.ts";
import { nextGeneration } from "./plan.ts";
import type { SubvolumeRecord } from "./rwlayer-state.ts";
import type { Step } from "./steps.ts";

/** A former rwlayer that stands there. */
export interface StandingGeneration extends StandingSubvolume {
  /** Relative to the top level. */
  readonly path: string;
}

/** A complete former root, and what makes the initramfs boot it. */
export interface FallbackCandidate {
  readonly record: SubvolumeRecord;
  readonly path: string;
  readonly steps: readonly Step[];
}

/**
 * The roots that can stand in for one that could not be made, the best first: the rwlayer that is
 * there, then the generations, which are renamed back to its name. Touches nothing.
 * @param generations those that are subvolumes, the newest last
 */
export function planFallback(
  { paths, rwlayer, generations: names }: DiskFacts,
  generations: readonly StandingGeneration[],
  check: { readonly init: string | undefined; readonly kernelRelease: string },
): FallbackCandidate[] {
  const { rwlayer: place } = paths;
  const checkBootable = (file: string): Step => ({
    kind: "checkBootable",
    path: file,
    ...check,
  });
  if (rwlayer.kind === "other") return [];
  if (rwlayer.kind === "subvolume") {
    // Somebody else's is not moved, and the initramfs would mount it.
    if (rwlayer.record === undefined) return [];
    if (rwlayer.record.complete) {
      const { record } = rwlayer;
      return [{ record, path: place, steps: [checkBootable(place)] }];
    }
  }
  const makeRoom: Step[] =
    rwlayer.kind === "nothing"
      ? []
      : [
          {
            kind: "keepAsGeneration",
            from: place,
            to: path.join(paths.generations, nextGeneration(names)),
          },
        ];
  return generations.toReversed().flatMap(({ record, path: from }) =>
    record?.complete === true
      ? [
          {
            record,
            path: from,
            steps: [
              checkBootable(from),
              ...makeRoom,
              { kind: "restoreGeneration", from, to: place },
              { kind: "sync", what: "its place" },
            ],
          },
        ]
      : [],
  );
}
