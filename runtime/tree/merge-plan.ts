import type { FileKind } from "../host/files.ts";
import type { SubvolumeGap } from "../disk/subvolume-gaps.ts";
import type { LayerEntry, ListedLayer } from "./layer.ts";

/**
 * One change to the tree that layers are laid over. Paths are relative to the layer (`from`, `names`)
 * and to the tree (the others), one byte a character, free of symlinks.
 */
export type MergeAction =
  /** A directory in place of what a snapshot leaves of a nested subvolume. */
  | { readonly kind: "fillGap"; readonly gap: SubvolumeGap }
  /** A directory with all that is in it. */
  | { readonly kind: "remove"; readonly path: string }
  /** All that is in a directory. */
  | { readonly kind: "empty"; readonly path: string }
  /**
   * Of a directory into which another is merged: cp leaves it setgid or sticky where the other is
   * neither, and what is made in a setgid directory would be setgid too.
   */
  | { readonly kind: "clearSpecialBits"; readonly path: string }
  /** To be filled by the actions that follow. */
  | { readonly kind: "makeDirectory"; readonly path: string }
  | {
      readonly kind: "copy";
      readonly layer: ListedLayer;
      /** A directory of the layer. */
      readonly from: string;
      /** What of it is copied. */
      readonly names: readonly string[];
      /** The directory that gets it. */
      readonly to: string;
    }
  /** A directory as one of another path, which may be there. */
  | {
      readonly kind: "copyDirectory";
      readonly layer: ListedLayer;
      readonly from: string;
      readonly to: string;
    }
  /** Makes a hard link of what two calls of cp have copied as two files. */
  | { readonly kind: "link"; readonly existing: string; readonly path: string }
  /** Owners, modes, times and xattrs of directories alone, not of what is in them. */
  | {
      readonly kind: "copyAttributes";
      readonly layer: ListedLayer;
      readonly directories: readonly DirectoryPair[];
    }
  /** For what comes from a filesystem without owners. */
  | {
      readonly kind: "giveToRoot";
      readonly modes: readonly {
        readonly path: string;
        readonly mode: number;
      }[];
    };

export interface DirectoryPair {
  readonly from: string;
  readonly to: string;
}

export interface MergePlan {
  /** To be done in order. */
  readonly actions: readonly MergeAction[];
  /** What the owner of a top layer may not expect. */
  readonly warnings: readonly string[];
  readonly counts: MergeCounts;
}

/** How many entries of the layers are merged, by what becomes of them. */
export interface MergeCounts {
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  /** FIFOs and devices. */
  readonly others: number;
  /** Those of the above that replace something. */
  readonly replaced: number;
  readonly whiteouts: number;
  /** Not copied. */
  readonly skipped: number;
}

/** An entry of a layer, and where it lands. Paths have one byte a character. */
export interface Landing {
  readonly entry: LayerEntry;
  /** In the layer. */
  readonly path: string;
  /** Where in the tree. */
  readonly target: string;
  /** The tree's symlink that led there, the last one of several. */
  readonly through: string | undefined;
}

/** What becomes of one entry of a layer. */
export interface EntryChange extends Landing {
  readonly layer: ListedLayer;
  readonly effect: Effect;
  /** What was at the target before. */
  readonly replaced: FileKind | undefined;
}

export type Effect =
  | "add"
  | "replace"
  /** A directory into one that is there. */
  | "merge"
  /** A whiteout: what stands at the target goes. */
  | "delete"
  /** An opaque whiteout: all that is in the target goes. */
  | "empty"
  /** Not copied. */
  | "skip";

const MAX_SHOWN = 20;

/** At most so many that they do not flood a console, and how many more there are. */
export function shortenWarnings(warnings: readonly string[]): string[] {
  const more = warnings.length - MAX_SHOWN;
  if (more <= 0) return [...warnings];
  return [
    ...warnings.slice(0, MAX_SHOWN),
    `${String(more)} more warnings of the top layer: dockroot toplayer check`,
  ];
}
