import type { DiskOptions } from "../options/options.ts";
import type { DiskLock } from "../disk/disk-lock.ts";
import type { Host } from "../host/host.ts";
import type { MountStack } from "../disk/mount-stack.ts";
import type { Recorder } from "./recorder.ts";

/** What a boot works with. */
export interface BootContext {
  readonly host: Host;
  readonly recorder: Recorder;
  readonly options: DiskOptions;
  readonly topLevel: string;
  /** Where to mount a top layer that is on another device. */
  readonly topLayerMount: string;
  /** Where to mount what copying a top layer takes. */
  readonly mergeMount: string;
  readonly readOnly: boolean;
  /** Gets what is mounted; whoever made it releases that. */
  readonly mounts: MountStack;
  /** Taken before anything of ours on the disk is read, where it is to be written. */
  readonly lock: DiskLock;
  /** Taken before anything is mounted; `undefined` where nobody else mounts there. */
  readonly runLock: DiskLock | undefined;
}
