import type { Mount } from "../disk/mounts.ts";

/** Where the initramfs mounts root: mkinitcpio's busybox init, initramfs-tools, systemd. */
const NEW_ROOTS = ["/new_root", "/root", "/sysroot"];

/**
 * What the initramfs has mounted as root, where that is not what it should be. Pure.
 * @param mounts in the order in which they were made
 * @param topLevel where the filesystem's top level is mounted
 * @param root relative to the top level
 * @param uppers where the writes of an overlay may go; `undefined` where root is a subvolume
 * @returns in words; `undefined` where that root is mounted, wherever it is, or none is
 */
export function describeOtherRoot(
  mounts: readonly Mount[],
  topLevel: string,
  root: string,
  uppers?: readonly string[],
): string | undefined {
  const mountAt = (at: string) =>
    mounts.findLast(({ mountPoint }) => mountPoint === at);
  const device = mountAt(topLevel)?.device;
  const others = NEW_ROOTS.flatMap((at) => mountAt(at) ?? []);
  const [other] = others;
  const isRoot = (mount: Mount) =>
    uppers !== undefined
      ? uppers.some((upper) => mount.options.includes(`upperdir=${upper}`))
      : mount.device === device && mount.root === `/${root}`;
  // Elsewhere it is where a hook has put an overlay over it.
  if (other === undefined || mounts.some(isRoot)) return undefined;
  const { mountPoint, fsType, source } = other;
  const what =
    other.device === device
      ? describePlace(other.root)
      : `${fsType} of ${source}`;
  return `${mountPoint} is ${what}, not ${root}`;
}

function describePlace(root: string): string {
  return root === "/" ? "the top level" : root.slice(1);
}
