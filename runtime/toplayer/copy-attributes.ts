import path from "node:path";
import { BootError } from "../host/errors.ts";
import type { Host } from "../host/host.ts";
import { isMountPoint } from "../mounts.ts";

/** Absolute paths. */
export interface AttributePair {
  readonly from: string;
  readonly to: string;
}

/**
 * Copies owners, modes, times, ACLs and other xattrs of directories alone. cp does that for a
 * directory that lies on another filesystem than the one above it, told to stay on one filesystem:
 * so each is shown to it in a tmpfs.
 * @param scratch where to mount that; made when absent
 * @throws HelperError, BootError MOUNT_FAILED
 */
export async function copyAttributes(
  host: Host,
  pairs: readonly AttributePair[],
  scratch: string,
): Promise<void> {
  // What an attempt left that was killed.
  while (isMountPoint(host, scratch)) await unmountAll(host, scratch);
  host.files.ensureDirectories(scratch);
  try {
    await mountAt(host, scratch, ["-t", "tmpfs", "-o", "mode=0700", "tmpfs"]);
    const show = async (side: string, directories: readonly string[]) => {
      for (const [index, directory] of directories.entries()) {
        const at = path.join(scratch, side, String(index));
        host.files.ensureDirectories(at);
        await mountAt(host, at, ["--bind", directory]);
      }
    };
    await show(
      "from",
      pairs.map(({ from }) => from),
    );
    await show(
      "to",
      pairs.map(({ to }) => to),
    );
    await host.run([
      ...["cp", "--archive", "--one-file-system", "--no-target-directory"],
      ...["--", path.join(scratch, "from"), path.join(scratch, "to")],
    ]);
  } finally {
    if (isMountPoint(host, scratch)) await unmountAll(host, scratch);
    host.files.removeUnusedDirectory(scratch);
  }
}

async function mountAt(
  host: Host,
  at: string,
  what: readonly string[],
): Promise<void> {
  await host.run(["mount", ...what, at]);
  if (!isMountPoint(host, at)) {
    throw notDone(`cannot mount ${what.at(-1) ?? ""} at ${at}`, "mount");
  }
}

async function unmountAll(host: Host, at: string): Promise<void> {
  await host.run(["umount", "--recursive", "--", at]);
  if (isMountPoint(host, at)) throw notDone(`cannot unmount ${at}`, "umount");
}

function notDone(message: string, program: string): BootError {
  return new BootError("MOUNT_FAILED", message, {
    cause: new Error(`${program} reported success, but did nothing`),
    hint: "The kernel log may say more: dmesg | tail.",
  });
}
