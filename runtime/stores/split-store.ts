import path from "node:path";
import { isSubvolume } from "../disk/btrfs.ts";
import { findMountAt, findMountOver, type Mount } from "../disk/mounts.ts";
import type { Host } from "../host/host.ts";
import type { StoreFiles } from "./store-files.ts";

/**
 * Why part of a store is missing: the running system mounts a subvolume or a filesystem of its own over a
 * directory of the store, and an initramfs, which mounts the store's filesystem alone, sees what is
 * below that: an empty directory.
 */
export interface EmptyPart {
  /** As messages have it. */
  readonly directory: string;
  /** Whether it is known what is mounted there. */
  readonly isKnown: boolean;
  /** The subvolume of the filesystem that is, relative to its top level. */
  readonly owner?: string | undefined;
  /** What is mounted there, as far as that is known. */
  readonly cause: Error;
  readonly hint: string;
}

/**
 * @param name of what is missing, relative to the store
 * @returns `undefined` where no empty directory stands in its place
 */
export function findEmptyPart(
  store: StoreFiles,
  name: string,
): EmptyPart | undefined {
  const { host, topLevel } = store;
  const parts = name.split("/");
  for (let length = parts.length - 1; length >= 0; length -= 1) {
    const directory = parts.slice(0, length).join("/");
    const place = store.resolve(directory);
    const kind = place && host.files.statusOf(place)?.kind;
    if (kind === undefined) continue;
    if (kind !== "directory" || store.namesIn(directory).length > 0) return;
    const file = path.relative(topLevel, place ?? "");
    const rest = parts.slice(length).join("/");
    return {
      directory: path.join(store.path, directory),
      ...explain(store, file, rest),
    };
  }
  return undefined;
}

/** @param rest what is missing, relative to the empty directory */
function explain(
  store: StoreFiles,
  file: string,
  rest: string,
): Omit<EmptyPart, "directory"> {
  const { host, topLevel } = store;
  const top = findMountAt(host, topLevel);
  const device = top?.source ?? "DEVICE";
  const over = findMountOver(host, topLevel, file);
  if (over !== undefined) {
    const isHere = over.device === top?.device;
    return {
      isKnown: true,
      owner: isHere ? over.root.slice(1) : undefined,
      ...explainMount(host, over, isHere, device, file),
    };
  }
  const owner = findOwner(store, rest);
  if (owner === undefined) {
    const what = "another subvolume or filesystem";
    return {
      isKnown: false,
      cause: new Error(
        `it looks as if the running system mounts ${what} over this directory`,
      ),
      hint: `${ALONE} Move what is mounted there (findmnt -R /var/lib) into this directory.`,
    };
  }
  return {
    isKnown: true,
    owner,
    cause: new Error(
      `the subvolume ${owner} has what belongs there: the running system mounts it over this directory`,
    ),
    hint: describeMove(device, owner, file),
  };
}

const ALONE = "An initramfs mounts the store's filesystem alone.";

/**
 * What this system has mounted over a directory of a store.
 * @param isHere whether it is of the store's filesystem
 * @param device that the filesystem is on
 * @param file the directory, relative to the filesystem's top level
 */
export function explainMount(
  host: Host,
  over: Mount,
  isHere: boolean,
  device: string,
  file: string,
): Pick<EmptyPart, "cause" | "hint"> {
  const { fsType, source, root, mountPoint } = over;
  const owner = root.slice(1);
  const what = isHere ? `the subvolume ${owner}` : `${fsType} of ${source}`;
  const isMovable = isHere && isSubvolume(host, host.path(mountPoint));
  return {
    cause: new Error(
      `in this system ${what} is mounted over it, at ${mountPoint}`,
    ),
    hint: isMovable
      ? describeMove(device, owner, file, mountPoint)
      : `${ALONE} Move what is mounted at ${mountPoint} into the directory below it, and drop its line from the fstab.`,
  };
}

/** A subvolume beside the store, or at the top level, that has what is missing. */
function findOwner(store: StoreFiles, rest: string): string | undefined {
  const { host, topLevel } = store;
  return [...new Set(["", path.dirname(store.path)])]
    .flatMap((directory) =>
      host.files
        .namesIn(path.join(topLevel, directory))
        .map((name) => path.join(directory, name)),
    )
    .find(
      (candidate) =>
        isSubvolume(host, path.join(topLevel, candidate)) &&
        host.files.statusOf(path.join(topLevel, candidate, rest)) !== undefined,
    );
}

/** A subvolume can be renamed into another; its line in the fstab then mounts nothing. */
function describeMove(
  device: string,
  owner: string,
  file: string,
  mountPoint?: string,
): string {
  const unmount = mountPoint === undefined ? "" : `umount ${mountPoint}; `;
  return `Make it part of the store, with the engine stopped: ${unmount}mount -t btrfs -o subvolid=5 ${device} /mnt; rmdir /mnt/${file}; mv /mnt/${owner} /mnt/${file}; umount /mnt; then drop its line from the fstab.`;
}
