import path from "node:path";
import { BootError } from "../../base/errors.ts";
import { shorten } from "../../base/abbreviate-ids.ts";
import { BoltError } from "../bolt/meta.ts";
import { type BoltBucket, bucketAt } from "../bolt/bolt.ts";
import { readBolt } from "./read-bolt.ts";
import { findDirectory, PULL_AGAIN } from "../store-files.ts";
import type { StoreLocation } from "../store.ts";
import { encodeUvarint, readUvarint } from "../formats/containerd-images.ts";

/**
 * The snapshots of containerd's btrfs snapshotter.
 *
 * - `metadata.db` has `v1/snapshots/<name>/{id,kind,parent,size}`, and `v1/parents/<parent's ID, 0, ID>`:
 *   the name once more.
 * - `snapshots/<id>` is the subvolume, read-only; `active` and `view` are containers'.
 *
 * Format: containerd's core/snapshots/storage/bolt.go
 * (https://github.com/containerd/containerd/tree/v2.1.4).
 */

export const SNAPSHOTTER = "btrfs";

const DIRECTORY = `io.containerd.snapshotter.v1.${SNAPSHOTTER}`;

const METADATA = `${DIRECTORY}/metadata.db`;

/** `kind` of a snapshot that is finished; a container's is `active`, 2. */
const COMMITTED = 3;

/** A snapshot as its snapshotter has it. */
export interface Snapshot {
  /** The directory's name. */
  readonly id: bigint;
  readonly sizeBytes: number;
}

/** @throws BootError SOURCE_MISSING, STORE_DAMAGED */
export function readSnapshot(location: StoreLocation, name: string): Snapshot {
  const found = readBolt(location, METADATA, (root) => {
    const snapshots = bucketAt(root, ["v1", "snapshots"]);
    const snapshot = snapshots?.bucket(name);
    if (snapshots === undefined || snapshot === undefined) return "absent";
    if (snapshot.get("kind")?.equals(Buffer.from([COMMITTED])) !== true) {
      throw new BoltError(`the snapshot ${shorten(name)} is not finished`);
    }
    const id = readId(name, snapshot);
    checkId(root, snapshots, { name, id, snapshot });
    return { id, sizeBytes: readSize(name, snapshot.get("size")) };
  });
  if (found !== undefined && found !== "absent") return found;
  const file = path.join(location.path, METADATA);
  throw new BootError(
    "SOURCE_MISSING",
    found === undefined
      ? `the snapshots of the store are not where they are looked for: ${file} is absent`
      : `the snapshot ${shorten(name)} is not in ${file}`,
    { hint: PULL_AGAIN },
  );
}

/**
 * An ID has no checksum, but the store has it a second time: with its parent's, where it has one, else
 * with its children's, where it has some. Of those that have neither, no other snapshot may have the
 * ID, for which all are read.
 * @throws BoltError
 */
function checkId(
  root: BoltBucket,
  snapshots: BoltBucket,
  { name, id, snapshot }: { name: string; id: bigint; snapshot: BoltBucket },
): void {
  const parents = bucketAt(root, ["v1", "parents"]);
  const parent = snapshot.get("parent")?.toString("latin1");
  const isRight =
    parent === undefined
      ? isIdOfBase(snapshots, parents, name, id)
      : isIdOfChild(snapshots, parents, { name, id, parent });
  if (isRight) return;
  throw new BoltError(
    `the snapshot ${shorten(name)} has the ID ${String(id)}, which another place contradicts`,
  );
}

/** @throws BoltError */
function isIdOfChild(
  snapshots: BoltBucket,
  parents: BoltBucket | undefined,
  { name, id, parent }: { name: string; id: bigint; parent: string },
): boolean {
  const above = snapshots.bucket(parent);
  if (above === undefined) return false;
  const key = childKey(readId(parent, above), id);
  return parents?.get(key)?.toString("latin1") === name;
}

/** @throws BoltError */
function isIdOfBase(
  snapshots: BoltBucket,
  parents: BoltBucket | undefined,
  name: string,
  id: bigint,
): boolean {
  const child = firstChild(parents, id);
  return child === undefined
    ? !isTaken(snapshots, name, id)
    : snapshots.bucket(child)?.get("parent")?.toString("latin1") === name;
}

/** The name of one that is on top of another. @throws BoltError */
function firstChild(
  parents: BoltBucket | undefined,
  id: bigint,
): string | undefined {
  const prefix = childKey(id);
  let child: string | undefined;
  parents?.each(prefix, (key, entry) => {
    const isChild = key.subarray(0, prefix.length).equals(prefix);
    if (isChild && entry.kind === "value") {
      child = entry.value.toString("latin1");
    }
    return false;
  });
  return child;
}

function childKey(parentId: bigint, id?: bigint): Buffer {
  return Buffer.concat([
    encodeUvarint(parentId),
    Buffer.of(0),
    ...(id === undefined ? [] : [encodeUvarint(id)]),
  ]);
}

/** Whether another snapshot has that ID. @throws BoltError */
function isTaken(snapshots: BoltBucket, name: string, id: bigint): boolean {
  let taken = false;
  snapshots.each("", (key, entry) => {
    const other = key.toString("latin1");
    taken =
      entry.kind === "bucket" &&
      other !== name &&
      readId(other, entry.bucket) === id;
    return !taken;
  });
  return taken;
}

/** @throws BoltError */
function readId(name: string, snapshot: BoltBucket): bigint {
  const id = readUvarint(snapshot.get("id"));
  if (id === undefined) {
    throw new BoltError(`the snapshot ${shorten(name)} has no ID`);
  }
  return id;
}

/** A signed number, as encoding/binary.Varint has it. @throws BoltError */
function readSize(name: string, bytes: Buffer | undefined): number {
  if (bytes === undefined) return 0;
  const zigzag = readUvarint(bytes);
  const size = zigzag === undefined ? NaN : Number(zigzag >> 1n);
  const isNegative = zigzag !== undefined && (zigzag & 1n) === 1n;
  if (Number.isSafeInteger(size) && !isNegative) return size;
  throw new BoltError(
    `the snapshot ${shorten(name)} has no size that could be one`,
  );
}

/** Where a snapshot's subvolume must be, relative to the top level. */
export function subvolumeOf(location: StoreLocation, { id }: Snapshot): string {
  const directory = findDirectory(location, `${DIRECTORY}/snapshots`);
  return path.join(directory, String(id));
}
