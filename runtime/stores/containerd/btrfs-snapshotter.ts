import path from "node:path";
import { BootError } from "../../host/errors.ts";
import { shorten } from "../../shorten.ts";
import { BoltError } from "../bolt/bolt-error.ts";
import type { BoltBucket } from "../bolt/bolt.ts";
import { bucketAt } from "../bolt/buckets.ts";
import { readBolt } from "./read-bolt.ts";
import { findDirectory, PULL_AGAIN } from "../store-files.ts";
import type { StoreLocation } from "../store.ts";
import { encodeUvarint, readUvarint } from "./uvarint.ts";

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
 * An ID has no checksum, but the store has it twice: with its parent's, where it has one. Of those
 * that have none, no other snapshot may have the ID.
 * @throws BoltError
 */
function checkId(
  root: BoltBucket,
  snapshots: BoltBucket,
  { name, id, snapshot }: { name: string; id: bigint; snapshot: BoltBucket },
): void {
  const contradiction = new BoltError(
    `the snapshot ${shorten(name)} has the ID ${String(id)}, which another place contradicts`,
  );
  const parent = snapshot.get("parent")?.toString("latin1");
  if (parent !== undefined) {
    const above = snapshots.bucket(parent);
    if (above === undefined) throw contradiction;
    const key = Buffer.concat([
      encodeUvarint(readId(parent, above)),
      Buffer.of(0),
      encodeUvarint(id),
    ]);
    const known = bucketAt(root, ["v1", "parents"])?.get(key);
    if (known?.toString("latin1") !== name) throw contradiction;
    return;
  }
  snapshots.each("", (key, entry) => {
    if (entry.kind !== "bucket" || key.toString("latin1") === name) return true;
    if (readId(key.toString("latin1"), entry.bucket) === id)
      throw contradiction;
    return true;
  });
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
