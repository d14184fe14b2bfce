import path from "node:path";
import type { Mount } from "../../../runtime/disk/mounts.ts";

/** Where a directory is, whatever its filesystem is mounted as. */
export interface Location {
  readonly mount: Mount;
  /** From the filesystem's top level, without a slash before it; `""` is all of it. */
  readonly path: string;
}

/**
 * The deepest mount point counts, not the latest: what an initramfs has moved stands before the root.
 * @param directory absolute, free of symlinks
 */
export function locate(
  mounts: readonly Mount[],
  directory: string,
): Location | undefined {
  const around = mounts.filter(({ mountPoint }) => isIn(directory, mountPoint));
  const [first, ...others] = around;
  if (first === undefined) return undefined;
  const mount = others.reduce(
    (deepest, other) =>
      other.mountPoint.length >= deepest.mountPoint.length ? other : deepest,
    first,
  );
  const below = path.relative(mount.mountPoint, directory);
  return { mount, path: path.join(mount.root, below).slice(1) };
}

function isIn(file: string, directory: string): boolean {
  const prefix = directory === "/" ? "/" : `${directory}/`;
  return file === directory || file.startsWith(prefix);
}
