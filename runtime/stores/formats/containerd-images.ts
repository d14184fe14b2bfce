import {
  fullRepository,
  isImageId,
  type ImageId,
  type ImageReference,
} from "../../images/image-ref.ts";
import { shorten } from "../../base/shorten.ts";
import { BoltError } from "../bolt/meta.ts";
import type { BoltBucket } from "../bolt/bolt.ts";

/** An image's name in full, and the digest of its manifest or index. */
interface Target {
  readonly name: string;
  readonly digest: ImageId;
}

/**
 * @param images the bucket of a namespace's images
 * @throws BoltError
 */
export function findTarget(
  images: BoltBucket,
  reference: ImageReference,
): ImageId | undefined {
  // That a name points at another image's record shows only when both names are read.
  images.readPages();
  if (reference.kind === "id") {
    const { id } = reference;
    return readTargets(images).some(({ digest }) => digest === id)
      ? id
      : undefined;
  }
  const repository = fullRepository(reference.repository);
  const { tag, digest } = reference;
  if (digest === undefined) {
    const name = `${repository}:${tag}`;
    const image = images.bucket(name);
    return image === undefined ? undefined : readTarget(name, image);
  }
  // A tag's own image, too, is found by its digest.
  const names = readTargets(images, repository).filter(({ name }) =>
    /^[:@]/.test(name.slice(repository.length)),
  );
  return names.find((target) => target.digest === digest)?.digest;
}

/** The images whose names begin like that. @throws BoltError */
export function readTargets(images: BoltBucket, prefix = ""): Target[] {
  const targets: Target[] = [];
  for (const entry of images.entries(prefix)) {
    const name = entry.key.toString("utf8");
    if (!name.startsWith(prefix)) break;
    if (entry.kind === "value") continue;
    targets.push({ name, digest: readTarget(name, entry.bucket) });
  }
  return targets;
}

/** @throws BoltError */
function readTarget(name: string, image: BoltBucket): ImageId {
  const digest = image.bucket("target")?.get("digest")?.toString("latin1");
  if (digest === undefined || !isImageId(digest)) {
    throw new BoltError(
      `the image ${shorten(name)} has no digest that could be one`,
    );
  }
  return digest;
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
