import { formatDeviceSpec } from "../../runtime/options/device-spec.ts";
import { gatherOptions } from "../../runtime/boot/gather-options.ts";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { BootTarget } from "../toplayer/rules/check-facts.ts";

/** What this start's kernel options say; nothing where dockroot did not boot this system. */
export function readBootTarget(host: Host): BootTarget {
  try {
    const { disk, readSystem } = gatherOptions(host);
    // Any system may have root= and rootflags=subvol=, but no image store.
    readSystem();
    return { rwlayer: disk.rwlayer, root: formatDeviceSpec(disk.root) };
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return { rwlayer: undefined, root: undefined };
  }
}
