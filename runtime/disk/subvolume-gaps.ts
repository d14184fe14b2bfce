import { isBelow } from "../base/is-below.ts";
import { SUBVOLUME_INODE } from "./btrfs.ts";
import { followIn } from "../host/follow-in.ts";
import type { FileStatus } from "../host/files.ts";
import type { Host } from "../host/host.ts";

/**
 * What a snapshot has in place of a subvolume that is nested in its source: an empty directory of this
 * inode number, in which nothing can be created, in snapshots of the snapshot, too.
 * @see BTRFS_EMPTY_SUBVOL_DIR_OBJECTID in the kernel's include/uapi/linux/btrfs_tree.h
 */
const GAP_INODE = 2;

/** A gap in a new root, and the attributes of the directory that takes its place. */
export interface SubvolumeGap {
  /** Relative to the tree. */
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Where systemd makes subvolumes, in a build step too, and the modes that it gives them.
 * @see tmpfiles.d(5), the types v, q and Q
 */
const SYSTEMD_MODES: ReadonlyMap<string, number> = new Map([
  ["home", 0o755],
  ["srv", 0o755],
  ["tmp", 0o1777],
  ["var", 0o755],
  ["var/tmp", 0o1777],
  ["var/lib/machines", 0o700],
  ["var/lib/portables", 0o700],
]);

/**
 * The gaps that a snapshot of a tree has where systemd makes subvolumes. Others are not looked for: to
 * walk an image takes longer than a boot.
 * @param tree a subvolume
 */
export function findGaps(host: Host, tree: string): SubvolumeGap[] {
  const gaps = new Map<string, SubvolumeGap>();
  for (const place of SYSTEMD_MODES.keys()) {
    const file = followIn(host, tree, place);
    if (file === undefined || file === tree) continue;
    const status = host.files.statusOf(file);
    if (status === undefined || !becomesGap(status)) continue;
    const path = file.slice(tree.length + 1);
    gaps.set(path, { ...gapOf(place, status), path });
  }
  const paths = [...gaps.keys()];
  // A snapshot has nothing of what is in a gap.
  return [...gaps.values()].filter(
    ({ path }) => !paths.some((parent) => isBelow(path, parent)),
  );
}

/** Whether a snapshot has a gap where this stands in its source. */
export function becomesGap({
  kind,
  inode,
}: Pick<FileStatus, "kind" | "inode">): boolean {
  return (
    kind === "directory" && (inode === SUBVOLUME_INODE || inode === GAP_INODE)
  );
}

/**
 * @param path relative to the tree
 * @param status of what becomes a gap
 */
export function gapOf(
  path: string,
  { inode, mode, uid, gid }: FileStatus,
): SubvolumeGap {
  // The kernel shows each gap as 0755, and as belonging to whom its parent directory belongs.
  const known = inode === GAP_INODE ? SYSTEMD_MODES.get(path) : undefined;
  return { path, mode: known ?? mode, uid, gid };
}
