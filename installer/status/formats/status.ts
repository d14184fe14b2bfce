import type {
  Deployment,
  Tries,
} from "../../../runtime/records/deployments.ts";
import type {
  RootedBoot,
  BootedStatus,
} from "../../../runtime/records/boot-record.ts";

/**
 * What `dockroot status --json` prints, version 1. Paths on the disk are relative to the top level.
 * `null` stands for what is not known: where it should be, `unreadable` says why it is not.
 */
export interface Status extends BootedStatus, DiskStatus {
  readonly version: 1;
  readonly unreadable: readonly Unreadable[];
}

/** What the disk tells. */
export interface DiskStatus {
  /** The rwlayer, then the generations, the newest first. */
  readonly roots: readonly RootOnDisk[] | null;
  /** The layers that dockroot holds for roots that are overlays. `null` where roots are subvolumes. */
  readonly heldLayers: HeldLayers | null;
  /** `null` also where there are none. */
  readonly deployments: DeploymentsStatus | null;
  readonly lastFailure: LastFailure | null;
}

export interface DeploymentsStatus {
  readonly count: number;
  /** Of their kernels and initramfs, those that several have counted once. */
  readonly bootFileBytes: number;
  /** What boots next; `null` where that is none of them. */
  readonly next: DeploymentInShort | null;
  /** How often what runs may boot still; `null` where that is not counted, or it is confirmed. */
  readonly tries: Tries | null;
  /** The one that proved bad, in whose place another one runs. */
  readonly bad:
    | (Pick<DeploymentInShort, "image" | "n"> & {
        readonly failure: string | null;
        /** The last ones of its last boot. */
        readonly errors: readonly string[];
      })
    | null;
}

export interface DeploymentInShort {
  readonly n: number;
  readonly image: Deployment["image"];
  /** Its release. */
  readonly kernel: string;
}

export interface RootOnDisk {
  readonly role: "rwlayer" | "generation";
  readonly path: string;
  /** `null` where it is no root. */
  readonly uuid: string | null;
  /** Whether it is the root that booted. */
  readonly isRoot: boolean;
  /** `foreign`: it cannot be proved that dockroot made it. */
  readonly state: "complete" | "incomplete" | "foreign";
  /** The number of the boot that made it. */
  readonly boot: number | null;
  readonly image: RootedBoot["image"];
  /** Of a subvolume `null` without quotas. */
  readonly size: RootSize | null;
}

export interface HeldLayers {
  readonly count: number;
  /** Their files have the room in common with the engine's until that prunes its own. */
  readonly bytes: number | null;
}

export interface RootSize {
  /** `null` of an overlay. */
  readonly referencedBytes: number | null;
  /** What deleting it would free. */
  readonly exclusiveBytes: number;
}

export interface LastFailure {
  readonly path: string;
  readonly text: string;
  /** Whether the text is all of it. */
  readonly isWhole: boolean;
}

/** What could not be read, and why. */
export interface Unreadable {
  readonly what: string;
  readonly why: string;
  /** What to do. */
  readonly hint: string | null;
}
