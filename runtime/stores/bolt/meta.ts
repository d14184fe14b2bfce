/** What is wrong with a database, as a clause: "page 5 is no page of a tree". */
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

/** What a whole meta page says; the format is bolt.ts's. */
export interface BoltMeta {
  /** Where in the file it is. */
  readonly at: number;
  readonly pageBytes: number;
  readonly root: number;
  readonly highWater: number;
  readonly transaction: bigint;
}

const MAGIC = 0xed0cdaed;

const VERSION = 2;

const PAGE_HEADER_BYTES = 16;

const META_BYTES = 64;

const META_CHECKED_BYTES = 56;

const MIN_PAGE_BYTES = 1024;

export const MAX_PAGE_BYTES = 64 * 1024;

/**
 * The last transaction's.
 * @throws BoltError where neither meta page is whole
 */
export function readMeta(file: BoltFile): BoltMeta {
  // Both look torn to who was held up between them while two transactions ended; not twice.
  const meta = findMeta(file) ?? findMeta(file);
  if (meta !== undefined) return meta;
  throw new BoltError("neither of its two meta pages is whole (cut off?)");
}

/**
 * Whether all that was read by a meta page until now is what that transaction wrote.
 *
 * A transaction first writes its pages, all of them to places that the one before does not use, and
 * then its meta page, over that of the last but one. So the pages of a transaction are overwritten only
 * after the next one's meta page is whole in the other place. That place is looked at first: what
 * comes to it between the two looks began to be written after the first one.
 */
export function isCurrent(file: BoltFile, meta: BoltMeta): boolean {
  const other = readMetaAt(file, meta.at === 0 ? meta.pageBytes : 0);
  const own = readMetaAt(file, meta.at);
  return (
    own?.transaction === meta.transaction &&
    (other === undefined || other.transaction <= meta.transaction)
  );
}

function findMeta(file: BoltFile): BoltMeta | undefined {
  const first = readMetaAt(file, 0);
  const places: number[] = [];
  if (first !== undefined) places.push(first.pageBytes);
  else {
    for (let at = MIN_PAGE_BYTES; at <= MAX_PAGE_BYTES; at *= 2)
      places.push(at);
  }
  const second = places
    .map((at) => readMetaAt(file, at))
    .find((meta) => meta !== undefined && meta.pageBytes === meta.at);
  return first === undefined || (second?.transaction ?? -1n) > first.transaction
    ? second
    : first;
}

/** `undefined` where there is no whole one. */
function readMetaAt(file: BoltFile, at: number): BoltMeta | undefined {
  if (at + PAGE_HEADER_BYTES + META_BYTES > file.sizeBytes()) return undefined;
  const bytes = Buffer.alloc(META_BYTES);
  file.read(bytes, at + PAGE_HEADER_BYTES);
  const pageBytes = bytes.readUInt32LE(8);
  const isWhole =
    bytes.readUInt32LE(0) === MAGIC &&
    bytes.readUInt32LE(4) === VERSION &&
    isSum(
      bytes.subarray(0, META_CHECKED_BYTES),
      bytes.readUInt32LE(META_CHECKED_BYTES),
      bytes.readUInt32LE(META_CHECKED_BYTES + 4),
    );
  const isPageSize =
    pageBytes >= MIN_PAGE_BYTES &&
    pageBytes <= MAX_PAGE_BYTES &&
    Number.isInteger(Math.log2(pageBytes));
  if (!isWhole || !isPageSize) return undefined;
  return {
    at,
    pageBytes,
    root: readNumber(bytes, 16),
    highWater: readNumber(bytes, 40),
    transaction: bytes.readBigUInt64LE(48),
  };
}

/** FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/), its two halves apart: the factor is 2^40 + 0x1b3. */
function isSum(bytes: Buffer, low: number, high: number): boolean {
  let [sumLow, sumHigh] = [0x84222325, 0xcbf29ce4];
  for (const byte of bytes) {
    sumLow = (sumLow ^ byte) >>> 0;
    const product = sumLow * 0x1b3;
    const carry = Math.floor(product / 2 ** 32);
    sumHigh = (sumHigh * 0x1b3 + carry + sumLow * 2 ** 8) % 2 ** 32;
    sumLow = product % 2 ** 32;
  }
  return sumLow === low && sumHigh === high;
}

/** A u64; what is past 2^53 is past the end of any file, too. */
export function readNumber(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}
