import path from "node:path";
import { DiskLock } from "../disk/disk.ts";
import { MountStack } from "../disk/mount-stack.ts";
import { limitHelpers, type Host } from "../host/host.ts";
import type { BootOptions } from "../options/options.ts";
import {
  MEMORY,
  OVERLAY_DISK,
  OVERLAY_ROOT,
  TOP_LEVEL_MOUNT,
} from "../records/boot-record.ts";
import type { OverlayPlaces } from "../disk/overlay/overlay-disk.ts";
import { DEFAULT_RUN_DIRECTORY } from "../disk/run-directory.ts";
import { isInitramfs, isSystemdInitramfs } from "../host/machine.ts";
import type { Recorder } from "./recorder.ts";

/** What a boot works with. */
export interface BootContext {
  /** Its helpers take no longer than the options say. */
  readonly host: Host;
  readonly recorder: Recorder;
  readonly options: BootOptions;
  /** Where the disk is mounted. */
  readonly topLevel: string;
  /** Where overlays are mounted. */
  readonly overlayPlaces: OverlayPlaces;
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

/**
 * @param directory gets the mount points; absolute
 * @param runLock of the directory; without it nothing is written to the disk
 */
export function createBootContext(
  unlimited: Host,
  recorder: Recorder,
  options: BootOptions,
  directory: string,
  runLock?: DiskLock,
): BootContext {
  const host = limitHelpers(unlimited, options.disk.helperTimeoutMs);
  const readOnly = runLock === undefined;
  // A rehearsal's is nobody's but its own.
  const isReal = directory === DEFAULT_RUN_DIRECTORY && isInitramfs(host);
  const topLevel =
    options.disk.isOverlay && isReal && !readOnly
      ? host.path(OVERLAY_DISK)
      : path.join(directory, TOP_LEVEL_MOUNT);
  return {
    host,
    recorder,
    options,
    readOnly,
    topLevel,
    overlayPlaces: {
      view: path.join(directory, "image"),
      next: path.join(directory, "next"),
      root: isSystemdInitramfs(host)
        ? "/sysroot"
        : path.join(directory, OVERLAY_ROOT),
      memory: path.join(directory, MEMORY),
      links: path.join(directory, "layers"),
    },
    topLayerMount: path.join(directory, "toplayer"),
    mergeMount: path.join(directory, "merge"),
    mounts: new MountStack(host),
    lock: new DiskLock(host, topLevel, "on this disk"),
    runLock,
  };
}
