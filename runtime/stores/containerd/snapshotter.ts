import { shorten } from "../../base/shorten.ts";
import type { BoltBucket } from "../bolt/bolt.ts";
import { BoltError } from "../bolt/meta.ts";
import {
  sourceMissing,
  type StoreFile,
  type StoreFiles,
} from "../store-files.ts";
import { MAX_LAYERS } from "../stored-tree.ts";
import type { TreeLayer } from "../store.ts";

/**
 * The snapshots of containerd's snapshotters for btrfs and overlayfs.
 *
 * - `metadata.db` has `v1/snapshots/<name>/{id,kind,parent,size,createdat}`, and
 *   `v1/parents/<parent's ID, 0, ID>`: the name once more.
 * - `snapshots/<id>` is btrfs's subvolume, read-only; `active` and `view` are containers'. Of overlayfs,
 *   `snapshots/<id>/fs` has what a snapshot adds to its parent.
 *
 * Format: containerd's core/snapshots/storage/bolt.go
 * (https://github.com/containerd/containerd/tree/v2.1.4).
 */

/** The best for roots first. */
export const SNAPSHOTTERS = ["btrfs", "overlayfs"] as const;

export type Snapshotter = (typeof SNAPSHOTTERS)[number];

function directoryOf(snapshotter: Snapshotter): string {
  return `io.containerd.snapshotter.v1.${snapshotter}`;
}

/** Where each snapshot has a directory, under its ID. */
export function snapshotsOf(snapshotter: Snapshotter): string {
  return `${directoryOf(snapshotter)}/snapshots`;
}

export function databaseOf(
  store: StoreFiles,
  snapshotter: Snapshotter,
): StoreFile {
  return store.file(`${directoryOf(snapshotter)}/metadata.db`);
}

/** `kind` of a snapshot that is finished; a container's is `active`, 2. */
const COMMITTED = Buffer.of(3);

/** Of 15 bytes, or 16 with a second of a time zone, as Go's time.MarshalBinary writes it. */
const TIME = /^(?:[0-9a-f]{30}|[0-9a-f]{32})$/;

export interface Snapshot {
  readonly id: string;
  readonly sizeBytes: number;
}

/** @throws BootError SOURCE_MISSING, STORE_DAMAGED */
export function readSnapshot(
  store: StoreFiles,
  snapshotter: Snapshotter,
  name: string,
): Snapshot {
  return readFrom(store, snapshotter, name, (root, snapshots, snapshot) => ({
    id: readCommitted(root, snapshots, name, snapshot),
    sizeBytes: readSize(name, snapshot.get("size")),
  }));
}

/**
 * A snapshot of overlayfs and those below it, down to the one without a parent.
 * @returns the snapshot itself first, their directories relative to the snapshots'; of what is longer
 *   than the layers of a root may be, one more than those
 * @throws BootError SOURCE_MISSING, STORE_DAMAGED
 */
export function readSnapshotLayers(
  store: StoreFiles,
  leaf: string,
): TreeLayer[] {
  return readFrom(store, "overlayfs", leaf, (root, snapshots, first) => {
    const layers: TreeLayer[] = [];
    let name = leaf;
    let snapshot: BoltBucket | undefined = first;
    while (snapshot !== undefined && layers.length <= MAX_LAYERS) {
      const id = readCommitted(root, snapshots, name, snapshot);
      const created = snapshot.get("createdat")?.toString("hex") ?? "";
      if (!TIME.test(created)) {
        throw new BoltError(`the snapshot ${shorten(name)} has no valid time`);
      }
      // IDs are numbers, which begin anew where a containerd is set up anew.
      layers.push({ directory: `${id}/fs`, key: `${id}-${created}` });
      const parent: string | undefined = snapshot
        .get("parent")
        ?.toString("latin1");
      if (parent === undefined && isChild(root, name)) {
        throw new BoltError(
          `the snapshot ${shorten(name)} has lost its parent`,
        );
      }
      name = parent ?? "";
      snapshot = parent === undefined ? undefined : snapshots.bucket(parent);
    }
    return layers;
  });
}

/** @param read gets the buckets of the database, of all snapshots, and of the one of that name */
function readFrom<T extends object>(
  store: StoreFiles,
  snapshotter: Snapshotter,
  name: string,
  read: (root: BoltBucket, snapshots: BoltBucket, snapshot: BoltBucket) => T,
): T {
  const file = databaseOf(store, snapshotter);
  const found = file.readBolt((root) => {
    const snapshots = root.bucket("v1", "snapshots");
    const snapshot = snapshots?.bucket(name);
    return snapshots === undefined || snapshot === undefined
      ? "absent"
      : read(root, snapshots, snapshot);
  });
  if (typeof found === "object") return found;
  if (found === "absent") {
    throw sourceMissing(
      `the snapshot ${shorten(name)}`,
      ` is not in ${file.path}`,
    );
  }
  throw sourceMissing(
    "the snapshots of the store are not where they are looked for",
    `: ${file.path} is absent`,
    file.place,
  );
}

/** @returns the ID of a snapshot that is finished @throws BoltError */
function readCommitted(
  root: BoltBucket,
  snapshots: BoltBucket,
  name: string,
  snapshot: BoltBucket,
): string {
  if (snapshot.get("kind")?.equals(COMMITTED) !== true) {
    throw new BoltError(`the snapshot ${shorten(name)} is not committed`);
  }
  const id = readId(name, snapshot);
  if (isConfirmed(root, snapshots, { name, id, snapshot })) return String(id);
  throw new BoltError(
    `the snapshot ${shorten(name)} has the ID ${String(id)}, which another record contradicts`,
  );
}

/**
 * An ID has no checksum, but the store has it a second time: with its parent's, where it has one, else
 * with its children's, where it has some. Of those that have neither, no other snapshot may have the
 * ID, for which all are read.
 * @throws BoltError
 */
function isConfirmed(
  root: BoltBucket,
  snapshots: BoltBucket,
  { name, id, snapshot }: { name: string; id: bigint; snapshot: BoltBucket },
): boolean {
  const parents = root.bucket("v1", "parents");
  const parent = snapshot.get("parent")?.toString("latin1");
  if (parent !== undefined) {
    const above = snapshots.bucket(parent);
    if (above === undefined) return false;
    const key = childKey(readId(parent, above), id);
    return parents?.get(key)?.toString("latin1") === name;
  }
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
  const entry = parents?.entries(prefix).next().value;
  return entry?.kind === "value" &&
    entry.key.subarray(0, prefix.length).equals(prefix)
    ? entry.value.toString("latin1")
    : undefined;
}

function childKey(parentId: bigint, id?: bigint): Buffer {
  return Buffer.concat([
    encodeUvarint(parentId),
    Buffer.of(0),
    ...(id === undefined ? [] : [encodeUvarint(id)]),
  ]);
}

/** Whether the store has it that a snapshot is on top of another. @throws BoltError */
function isChild(root: BoltBucket, name: string): boolean {
  const parents = root.bucket("v1", "parents");
  return [...(parents?.entries() ?? [])].some(
    (entry) =>
      entry.kind === "value" && entry.value.toString("latin1") === name,
  );
}

/** Whether another snapshot has that ID. @throws BoltError */
function isTaken(snapshots: BoltBucket, name: string, id: bigint): boolean {
  return [...snapshots.entries()].some((entry) => {
    const other = entry.key.toString("latin1");
    if (entry.kind === "value" || other === name) return false;
    return readId(other, entry.bucket) === id;
  });
}

/** @throws BoltError */
function readId(name: string, snapshot: BoltBucket): bigint {
  const id = readUvarint(snapshot.get("id"));
  if (id !== undefined) return id;
  throw new BoltError(`the snapshot ${shorten(name)} has no ID`);
}

/** A signed number, as encoding/binary.Varint has it. @throws BoltError */
function readSize(name: string, bytes: Buffer | undefined): number {
  if (bytes === undefined) return 0;
  const zigzag = readUvarint(bytes);
  if (zigzag !== undefined && (zigzag & 1n) === 0n) {
    const size = Number(zigzag >> 1n);
    if (Number.isSafeInteger(size)) return size;
  }
  throw new BoltError(`the snapshot ${shorten(name)} has no valid size`);
}

/**
 * All of the bytes as one unsigned number of 64 bits, in the only way that Go writes it; `undefined`
 * where they are none.
 * @see https://pkg.go.dev/encoding/binary#Uvarint
 */
export function readUvarint(bytes: Buffer | undefined): bigint | undefined {
  if (bytes === undefined || bytes.length === 0 || bytes.length > 10) {
    return undefined;
  }
  let value = 0n;
  for (const [index, byte] of bytes.entries()) {
    const isLast = index === bytes.length - 1;
    if (byte < 0x80 !== isLast) return undefined;
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
  }
  const isShortest = bytes.length === 1 || bytes.at(-1) !== 0;
  return isShortest && value < 1n << 64n ? value : undefined;
}

/** As `readUvarint` reads it. */
export function encodeUvarint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}
