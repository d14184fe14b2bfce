import { shorten } from "../../base/shorten.ts";
import type { BoltBucket } from "../bolt/bolt.ts";
import { BoltError } from "../bolt/meta.ts";
import { sourceMissing, type StoreFiles } from "../store-files.ts";

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

/** Where a snapshot's subvolume is, under its ID. */
export const SNAPSHOTS = `${DIRECTORY}/snapshots`;

/** `kind` of a snapshot that is finished; a container's is `active`, 2. */
const COMMITTED = Buffer.of(3);

export interface Snapshot {
  readonly id: string;
  readonly sizeBytes: number;
}

/** @throws BootError SOURCE_MISSING, STORE_DAMAGED */
export function readSnapshot(store: StoreFiles, name: string): Snapshot {
  const file = store.file(`${DIRECTORY}/metadata.db`);
  const found = file.readBolt((root) => {
    const snapshots = root.bucket("v1", "snapshots");
    const snapshot = snapshots?.bucket(name);
    if (snapshots === undefined || snapshot === undefined) return "absent";
    if (snapshot.get("kind")?.equals(COMMITTED) !== true) {
      throw new BoltError(`the snapshot ${shorten(name)} is not committed`);
    }
    const id = readId(name, snapshot);
    if (!isConfirmed(root, snapshots, { name, id, snapshot })) {
      throw new BoltError(
        `the snapshot ${shorten(name)} has the ID ${String(id)}, which another record contradicts`,
      );
    }
    return { id: String(id), sizeBytes: readSize(name, snapshot.get("size")) };
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
