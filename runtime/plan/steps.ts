import { abbreviateIds } from "../base/shorten.ts";
import { LAYERS } from "../options/rwlayer-names.ts";
import type { SubvolumeRecord } from "../records/rwlayer-state.ts";
import type { SubvolumeGap } from "../disk/subvolume-gaps.ts";
import type { TreeLayer } from "../stores/store.ts";
import type { MergePlan } from "../tree/merge-plan.ts";

/** What a root must have to boot. */
export interface BootCheck {
  readonly init: string | undefined;
  readonly kernelRelease: string;
}

/** Several kinds of steps of the same fields. */
type Kinds<Kind extends string, Fields> = Kind extends unknown
  ? { readonly kind: Kind } & Readonly<Fields>
  : never;

/**
 * One change to the machine: planned without side effects, executed in order. Paths are relative to
 * the filesystem's top level, but for the top layer's, which may be on another device.
 *
 * - `createDirectory`: with all above it, each for root alone
 * - `setStateAside`: keeps a damaged state file under another name
 * - `holdLayers`: of the image, those that dockroot does not hold yet
 * - `makeUpper`: the directory that takes what is written to an overlay; "from" is the topmost layer, or the
 *   root whose own is copied
 * - `copyRootAttributes`: of the image's `/`, xattrs and ACLs included, to that of an overlay that is mounted; `from` is
 *   where the image is shown, an absolute path
 * - `mountVolatile`: an overlay whose writes stay in memory, as the initramfs gets it
 * - `mountInMemory`: the same of an earlier root, to which nothing is written
 * - `mountRoot`: to work on it, or as the initramfs gets it
 * - `snapshotNested`: of all that is nested in the one, into its snapshot
 * - `fillGaps`: directories in place of what a snapshot leaves of nested subvolumes
 * - `removeLeftOvers`: of what an engine has left in the image; files relative to the tree's root
 * - `copyTopLayer`: `name` is how the user calls it
 * - `copyModules`: of the kernel, from another image that is kept; `from` is its ID
 * - `checkBootable`: `what` the path holds, in words
 * - `sync`: one commit of the filesystem
 * - `checkPlaces`: of all that is renamed next: nobody has put something else there since it was looked
 *   at; `uuid` is `undefined` for the subvolume that was just made
 */
export type Step =
  | Kinds<
      "createDirectory" | "setStateAside" | "deleteStaging",
      { path: string }
    >
  | Kinds<
      | "snapshot"
      | "snapshotNested"
      | "keepAsGeneration"
      | "putInPlace"
      | "restoreGeneration",
      { from: string; to: string }
    >
  | Kinds<"holdLayers", { layers: readonly TreeLayer[] }>
  | Kinds<"makeUpper", { from: string; isCopied: boolean; to: string }>
  | Kinds<"mountRoot", { path: string; place: "next" | "root" }>
  | Kinds<"mountVolatile", { path: string; record: StepRecord }>
  | Kinds<"copyRootAttributes", { from: string; path: string }>
  | Kinds<"mountInMemory" | "unmountRoot", { path: string }>
  | Kinds<"fillGaps", { gaps: readonly SubvolumeGap[]; path: string }>
  | Kinds<"removeLeftOvers", { files: readonly string[]; path: string }>
  | Kinds<"copyTopLayer", { merge: MergePlan; name: string; to: string }>
  | Kinds<"copyModules", { from: string; release: string; to: string }>
  | Kinds<"checkBootable", BootCheck & { path: string; what: string }>
  | Kinds<"recordSubvolume", { path: string; record: StepRecord }>
  | Kinds<"sync", { what: string }>
  | Kinds<"checkPlaces", { places: readonly Place[] }>;

export type StepRecord = Pick<
  SubvolumeRecord,
  | "boot"
  | "complete"
  | "deployment"
  | "image"
  | "layers"
  | "source"
  | "toplayer"
>;

interface Place {
  readonly path: string;
  readonly uuid: string | undefined;
}

/** The step in words, to follow "cannot" as well as a list's number. */
export function describeStep(step: Step): string {
  switch (step.kind) {
    case "createDirectory":
      return `create the directory ${step.path}`;
    case "setStateAside":
      return `rename the damaged ${step.path}`;
    case "deleteStaging":
      return `delete ${step.path}, left over from an interrupted boot`;
    case "snapshot":
      return `snapshot ${abbreviateIds(step.from)} as ${step.to}`;
    case "holdLayers":
      return `hold ${String(step.layers.length)} layers of the image in ${LAYERS}`;
    case "makeUpper":
      return step.isCopied
        ? `copy what was written to ${step.from} into ${step.to}`
        : `make an upper directory in ${step.to}`;
    case "copyRootAttributes":
      return `copy the attributes of the image's / to ${step.path}`;
    case "mountRoot":
      return step.place === "next"
        ? `mount the overlay ${step.path}`
        : `mount the overlay ${step.path} as root`;
    case "mountVolatile":
      return "mount an overlay of the image as root, which keeps what is written in memory";
    case "mountInMemory":
      return `mount the overlay ${step.path} as root, which keeps what is written in memory`;
    case "unmountRoot":
      return `unmount the overlay ${step.path}`;
    case "snapshotNested":
      return `snapshot what is nested in ${step.from} into ${step.to}`;
    case "fillGaps":
      return `create directories in place of the image's nested subvolumes: ${step.gaps.map(({ path }) => `/${path}`).join(", ")}`;
    case "removeLeftOvers":
      return `remove files that an engine left in the image: ${step.files.map((file) => `/${file}`).join(", ")}`;
    case "copyTopLayer":
      return `copy the top layer ${step.name} into ${step.to}`;
    case "copyModules":
      return `copy the modules of the kernel ${step.release} from the kept image ${abbreviateIds(step.from)}`;
    case "checkBootable":
      return `check that ${step.path} has an init`;
    case "recordSubvolume":
      return `record ${step.path} as ${step.record.complete ? "complete" : "in the making"}`;
    case "sync":
      return `make ${step.what} durable`;
    case "checkPlaces":
      return `check that ${step.places.map(({ path }) => path).join(" and ")} ${step.places.length === 1 ? "was" : "were"} not replaced`;
    case "keepAsGeneration":
      return `keep the present ${step.from} as ${step.to}`;
    case "putInPlace":
      return `put ${step.from} in place as ${step.to}`;
    case "restoreGeneration":
      return `put the earlier root ${step.from} back as ${step.to}`;
  }
}
