import type { Host } from "../../runtime/host/host.ts";
import { readKernelRelease } from "../../runtime/host/machine.ts";
import { parseMountinfo } from "../../runtime/disk/mounts.ts";
import type { Place } from "./rules/facts.ts";

/** The kernel's own PID namespace (PROC_PID_INIT_INO in include/linux/proc_ns.h). */
const FIRST_PID_NAMESPACE = "pid:[4026531836]";
const MAX_MOUNTINFO_BYTES = 16 * 1024 * 1024;

/**
 * Whether this is the system that the kernel has booted: its processes are not in a namespace of their
 * own, as those of a container are, and its root is that of process 1, as a chroot's is not.
 */
export function readPlace(host: Host): Place {
  const namespace = host.path("/proc/self/ns/pid");
  const own = rootOf(host, "self");
  const isRunning =
    host.files.statusOf(namespace)?.kind === "symlink" &&
    host.files.linkTarget(namespace) === FIRST_PID_NAMESPACE &&
    own !== undefined &&
    own === rootOf(host, "1");
  return isRunning
    ? { kind: "running", kernelRelease: readKernelRelease(host) }
    : { kind: "elsewhere" };
}

/** What a process has as `/`; `undefined` where that is no mount point. */
function rootOf(host: Host, process: string): string | undefined {
  const file = `/proc/${process}/mountinfo`;
  const mounts = parseMountinfo(host.readText(file, MAX_MOUNTINFO_BYTES) ?? "");
  const root = mounts.findLast(({ mountPoint }) => mountPoint === "/");
  return root === undefined ? undefined : `${root.device} ${root.root}`;
}
