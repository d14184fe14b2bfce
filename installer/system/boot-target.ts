import { formatDeviceSpec } from "../../runtime/options/parsers.ts";
import { gatherOptions } from "../../runtime/boot/gather-options.ts";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  readDiskOptions,
  readSystemOptions,
  type DiskOptions,
  type SystemOptions,
} from "../../runtime/options/options.ts";
import type { BootTarget } from "../toplayer/rules/check-facts.ts";

const MAX_CMDLINE_BYTES = 64 * 1024;

/** What this boot's kernel options and the configuration ask for. */
type BootedOptions = DiskOptions & SystemOptions;

/** @returns why they ask for nothing, where dockroot did not boot this system */
export function readBootedOptions(host: Host): BootedOptions | BootError {
  try {
    const options = gatherOptions(host);
    // Any system may have root= and rootflags=subvol=, but no image store.
    return { ...readDiskOptions(options), ...readSystemOptions(options) };
  } catch (error) {
    if (error instanceof BootError) return error;
    throw error;
  }
}

/** Nothing where dockroot did not boot this system. */
export function readBootTarget(host: Host): BootTarget {
  const options = readBootedOptions(host);
  const cmdline = host.readText("/proc/cmdline", MAX_CMDLINE_BYTES);
  return options instanceof BootError
    ? { rwlayer: undefined, root: undefined, isOverlay: false, cmdline }
    : {
        rwlayer: options.rwlayer,
        root: formatDeviceSpec(options.root),
        isOverlay: options.isOverlay,
        cmdline,
      };
}
