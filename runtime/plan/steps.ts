import { abbreviateIds } from "../base/shorten.ts";
import type { SubvolumeRecord } from "../records/rwlayer-state.ts";
import type { SubvolumeGap } from "../disk/subvolume-gaps.ts";
import type { MergePlan } from "../tree/merge-plan.ts";

/**
 * One change to the machine: planned without side effects, executed in order. Paths are relative to
 * the filesystem's top level, but for the top layer's, which may be on another device.
 */
export type Step =
  /** With all above it, each for root alone. */
  | { readonly kind: "createDirectory"; readonly path: string }
  /** Keeps a damaged state file under another name. */
  | { readonly kind: "setStateAside"; readonly path: string }
  | { readonly kind: "deleteStaging"; readonly path: string }
  | { readonly kind: "snapshot"; readonly from: string; readonly to: string }
  /** Of all that is nested in the one, into its snapshot. */
  | {
      readonly kind: "snapshotNested";
      readonly from: string;
      readonly to: string;
    }
  /** Directories in place of what a snapshot leaves of nested subvolumes. */
  | {
      readonly kind: "fillGaps";
      readonly gaps: readonly SubvolumeGap[];
      readonly path: string;
    }
  /** What an engine has left in the image. */
  | {
      readonly kind: "removeLeftOvers";
      /** Relative to the tree's root. */
      readonly files: readonly string[];
      readonly path: string;
    }
  | {
      readonly kind: "copyTopLayer";
      readonly merge: MergePlan;
      /** How the user calls the top layer. */
      readonly name: string;
      readonly to: string;
    }
  | {
      readonly kind: "checkBootable";
      readonly path: string;
      /** What the path holds, in words. */
      readonly what: string;
      readonly init: string | undefined;
      readonly kernelRelease: string;
    }
  | {
      readonly kind: "recordSubvolume";
      readonly path: string;
      readonly record: Pick<
        SubvolumeRecord,
        "boot" | "complete" | "image" | "source" | "toplayer"
      >;
    }
  /** One commit of the filesystem. */
  | { readonly kind: "sync"; readonly what: string }
  /** Of all that is renamed next: nobody has put something else there since it was looked at. */
  | {
      readonly kind: "checkPlaces";
      readonly places: readonly {
        readonly path: string;
        /** `undefined` for the subvolume that was just made. */
        readonly uuid: string | undefined;
      }[];
    }
  | {
      readonly kind: "keepAsGeneration";
      readonly from: string;
      readonly to: string;
    }
  | { readonly kind: "putInPlace"; readonly from: string; readonly to: string }
  | {
      readonly kind: "restoreGeneration";
      readonly from: string;
      readonly to: string;
    };

/** The step in words, to follow "cannot" as well as a list's number. */
export function describeStep(step: Step): string {
  switch (step.kind) {
    case "createDirectory":
      return `create the directory ${step.path}`;
    case "setStateAside":
      return `set the damaged ${step.path} aside`;
    case "deleteStaging":
      return `delete ${step.path}, left over from an interrupted boot`;
    case "snapshot":
      return `snapshot ${abbreviateIds(step.from)} as ${step.to}`;
    case "snapshotNested":
      return `snapshot what is nested in ${step.from} into ${step.to}`;
    case "fillGaps":
      return `make directories in place of subvolumes that are nested in the image: ${step.gaps.map(({ path }) => `/${path}`).join(", ")}`;
    case "removeLeftOvers":
      return `remove what an engine left in the image: ${step.files.map((file) => `/${file}`).join(", ")}`;
    case "copyTopLayer":
      return `copy the top layer ${step.name} into ${step.to}`;
    case "checkBootable":
      return `check that ${step.path} has an init`;
    case "recordSubvolume":
      return `record ${step.path} as ${step.record.complete ? "complete" : "in the making"}`;
    case "sync":
      return `make ${step.what} durable`;
    case "checkPlaces":
      return `check that ${step.places.map(({ path }) => path).join(" and ")} ${step.places.length === 1 ? "was" : "were"} not replaced`;
    case "keepAsGeneration":
      return `keep the former ${step.from} as ${step.to}`;
    case "putInPlace":
      return `put ${step.from} in place as ${step.to}`;
    case "restoreGeneration":
      return `put the former root ${step.from} back as ${step.to}`;
  }
}
