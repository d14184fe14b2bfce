import path from "node:path";
import { DEFAULT_RUN_DIRECTORY } from "../../runtime/disk/run-directory.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  createMountStack,
  isMountPoint,
  unmount,
} from "../../runtime/disk/mounts.ts";
import { holdSignals } from "./hold-signals.ts";
import type { Filesystem } from "../loaders/plan/entry-facts.ts";

/**
 * Mounts a btrfs's top level read-only for as long as the work takes.
 * @param work is told whether the top level is the default subvolume, too
 * @throws BootError MOUNT_FAILED, HelperError
 */
export async function withTopLevel<T>(
  host: Host,
  { device, uuid, label, type }: Filesystem,
  work: (topLevel: string, isDefault: boolean) => Promise<T>,
): Promise<T> {
  const runDirectory = host.path(DEFAULT_RUN_DIRECTORY);
  const at = path.join(runDirectory, `boot-entry-${String(host.processId)}`);
  return holdSignals(async () => {
    try {
      await createMountStack(host).mount({
        device: { path: device, fsType: type, uuid, label },
        ...{ at, fsType: "btrfs", flags: ["ro", "subvolid=5", "noatime"] },
      });
      const { stdout } = await host.run([
        ...["btrfs", "subvolume", "get-default", at],
      ]);
      return await work(at, /^ID 5 /.test(stdout.toString("utf8")));
    } finally {
      // Whatever became of the helper that mounted it: Ctrl-C ends helpers, too.
      while (isMountPoint(host, at)) await unmount(host, at);
      host.files.removeUnusedDirectory(runDirectory);
    }
  });
}
