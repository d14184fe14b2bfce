/** What is wrong with a database, as a clause: "page 5 is empty". */
export class BoltError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "BoltError";
  }
}

/** The bytes of a database. */
export interface BoltFile {
  /** Now: it may grow. */
  readonly sizeBytes: () => number;
  /** Fills the buffer with what is at that position. */
  readonly read: (into: Buffer, position: number) => void;
}

/** What a valid meta page says; the format is bolt.ts's. */
export interface Meta {
  /** Where in the file it is. */
  readonly at: number;
  readonly pageSize: number;
  /** The page of the root bucket. */
  readonly root: number;
  /** The high water mark: the first page that was never used. */
  readonly pgid: number;
  readonly txid: bigint;
}

const MAGIC = 0xed0cdaed;
const VERSION = 2;
export const PAGE_HEADER_SIZE = 16;
const META_SIZE = 64;
const CHECKSUM_AT = 56;
const MIN_PAGE_SIZE = 1024;
export const MAX_PAGE_SIZE = 64 * 1024;

/**
 * The last transaction's.
 * @throws BoltError where neither meta page is valid
 */
export function readMeta(file: BoltFile): Meta {
  // Two transactions may commit between our two reads, so both pages can look torn; retry once.
  const meta = findMeta(file) ?? findMeta(file);
  if (meta !== undefined) return meta;
  throw new BoltError("neither of its two meta pages is valid (cut off?)");
}

/**
 * Whether all that was read by a meta page until now is what that transaction wrote.
 *
 * A transaction first writes its pages, all of them to places that the one before does not use, and
 * then its meta page, over that of the last but one. So the pages of a transaction are overwritten only
 * after the next one's meta page is whole in the other place. That place is read first: a transaction
 * that commits there between the two reads began to write after the first one.
 */
export function isCurrent(file: BoltFile, meta: Meta): boolean {
  const other = readMetaAt(file, meta.at === 0 ? meta.pageSize : 0);
  const own = readMetaAt(file, meta.at);
  return (
    own?.txid === meta.txid && (other === undefined || other.txid <= meta.txid)
  );
}

function findMeta(file: BoltFile): Meta | undefined {
  const first = readMetaAt(file, 0);
  const places: number[] = [];
  if (first !== undefined) places.push(first.pageSize);
  else {
    for (let at = MIN_PAGE_SIZE; at <= MAX_PAGE_SIZE; at *= 2) places.push(at);
  }
  const second = places
    .map((at) => readMetaAt(file, at))
    .find((meta) => meta !== undefined && meta.pageSize === meta.at);
  return first === undefined || (second?.txid ?? -1n) > first.txid
    ? second
    : first;
}

/** `undefined` where there is no valid one. */
function readMetaAt(file: BoltFile, at: number): Meta | undefined {
  if (at + PAGE_HEADER_SIZE + META_SIZE > file.sizeBytes()) return undefined;
  const bytes = Buffer.alloc(META_SIZE);
  file.read(bytes, at + PAGE_HEADER_SIZE);
  const pageSize = bytes.readUInt32LE(8);
  const isPageSize =
    pageSize >= MIN_PAGE_SIZE &&
    pageSize <= MAX_PAGE_SIZE &&
    Number.isInteger(Math.log2(pageSize));
  const isValid =
    bytes.readUInt32LE(0) === MAGIC &&
    bytes.readUInt32LE(4) === VERSION &&
    bytes.readBigUInt64LE(CHECKSUM_AT) ===
      fnv1a(bytes.subarray(0, CHECKSUM_AT));
  if (!isValid || !isPageSize) return undefined;
  return {
    at,
    pageSize,
    root: readPgid(bytes, 16),
    pgid: readPgid(bytes, 40),
    txid: bytes.readBigUInt64LE(48),
  };
}

/** FNV-1a of 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/). */
function fnv1a(bytes: Buffer): bigint {
  let sum = 0xcbf29ce484222325n;
  for (const byte of bytes) {
    sum = BigInt.asUintN(64, (sum ^ BigInt(byte)) * 0x100000001b3n);
  }
  return sum;
}

/** A u64; what is past 2^53 is past the end of any file, too. */
export function readPgid(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}
