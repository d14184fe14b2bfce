/**
 * A reader of bbolt databases, the files in which containerd keeps its metadata.
 *
 * The format, as go.etcd.io/bbolt writes it (db.go, internal/common/{page,meta,bucket}.go); all numbers
 * are little-endian, for so are the machines that dockroot runs on:
 *
 * - The file is pages of one size, the memory page's of the machine that made it (1 KiB to 64 KiB).
 *   Page `n` is at `n * pageSize`. A page begins with `id u64, flags u16, count u16, overflow u32` and
 *   goes on for `overflow` more pages. Flags: 1 branch, 2 leaf, 4 meta, 16 freelist.
 * - Pages 0 and 1 are meta pages: `magic u32, version u32, pageSize u32, flags u32, root u64, root's
 *   sequence u64, freelist u64, highWater u64, txid u64, checksum u64`, the checksum being FNV-1a (64
 *   bits) of what is before it. Of those that are whole, the one with the higher txid counts: a
 *   transaction that was cut off has spoilt the other.
 * - A branch page has `count` times `pos u32, ksize u32, page u64`; a leaf page `count` times
 *   `flags u32, pos u32, ksize u32, vsize u32`. The key is at the element's own address + pos, a leaf's
 *   value follows it. Keys are sorted bytewise; all those below a branch's element lie from its key on
 *   and before the next one's.
 * - A leaf element with flag 1 is a bucket; its value is `root u64, sequence u64`, where root is a page,
 *   or 0, and then the bucket's only page, a leaf, follows in the value.
 * - The freelist tells which pages are free, which nobody needs to read.
 *
 * Keys and values have no checksum, but the tree has rules, and what breaks one is refused (those of
 * `bbolt check`): each page says its own number, keys lie in order and within what is above them, what
 * elements point at lies in order in the page. A page is reached once at most. So a hostile file can
 * neither keep the reader going nor make it hold more than the file is large.
 */

/** The bytes of a database. */
export interface BoltFile {
  readonly sizeBytes: number;
  /** Fills the buffer with what is at that position. */
  readonly read: (into: Buffer, position: number) => void;
}

/** What is wrong with a database, as a clause: "page 5 is no page of a tree". */
export class BoltError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "BoltError";
  }
}

export interface BoltBucket {
  /** @throws BoltError; `undefined` where there is no such key, or it is a bucket */
  readonly get: (key: Buffer | string) => Buffer | undefined;
  /** @throws BoltError; `undefined` where there is no such key, or it is no bucket */
  readonly bucket: (key: Buffer | string) => BoltBucket | undefined;
  /**
   * Goes through the keys in their order, from one on, until `visit` says `false`.
   * @throws BoltError
   */
  readonly each: (
    from: Buffer | string,
    visit: (key: Buffer, entry: BoltEntry) => boolean,
  ) => void;
}

export type BoltEntry =
  | { readonly kind: "value"; readonly value: Buffer }
  | { readonly kind: "bucket"; readonly bucket: BoltBucket };

const MAGIC = 0xed0cdaed;
const VERSION = 2;
const PAGE_HEADER_BYTES = 16;
const ELEMENT_BYTES = 16;
const BUCKET_HEADER_BYTES = 16;
const META_BYTES = 64;
const META_CHECKED_BYTES = 56;
const MIN_PAGE_BYTES = 1024;
const MAX_PAGE_BYTES = 64 * 1024;
const BRANCH = 1;
const LEAF = 2;
/** With two keys a page, a tree of this depth has more pages than any file. */
const MAX_DEPTH = 64;

interface Meta {
  readonly pageBytes: number;
  readonly root: number;
  readonly highWater: number;
  readonly transaction: bigint;
}

/** A page of a tree with the bytes of all its pages. */
interface Page {
  readonly name: string;
  readonly isLeaf: boolean;
  readonly bytes: Buffer;
  readonly count: number;
}

/** Which keys may be in a page: from one on, and before another. */
interface Range {
  readonly from: Buffer | undefined;
  readonly before: Buffer | undefined;
}

const EVERY: Range = { from: undefined, before: undefined };

/** @returns the root bucket @throws BoltError */
export function openBolt(file: BoltFile): BoltBucket {
  const meta = readMeta(file);
  const pages = createPages(file, meta);
  return openBucket(pages, meta.root);
}

/**
 * The number of the last transaction. What was read is right if it is the same before and after: the
 * next transaction writes to pages that this one does not use.
 * @throws BoltError
 */
export function lastTransaction(file: BoltFile): bigint {
  return readMeta(file).transaction;
}

function readMeta(file: BoltFile): Meta {
  const first = readMetaAt(file, 0);
  const places: number[] = [];
  if (first !== undefined) places.push(first.pageBytes);
  else {
    for (let at = MIN_PAGE_BYTES; at <= MAX_PAGE_BYTES; at *= 2)
      places.push(at);
  }
  const second = places
    .map((at) => ({ at, meta: readMetaAt(file, at) }))
    .find(({ at, meta }) => meta?.pageBytes === at)?.meta;
  const meta =
    first === undefined || (second?.transaction ?? -1n) > first.transaction
      ? second
      : first;
  if (meta === undefined) {
    throw new BoltError("neither of its two meta pages is whole (cut off?)");
  }
  return meta;
}

/** `undefined` where there is no whole one. */
function readMetaAt(file: BoltFile, at: number): Meta | undefined {
  if (at + PAGE_HEADER_BYTES + META_BYTES > file.sizeBytes) return undefined;
  const bytes = Buffer.alloc(META_BYTES);
  file.read(bytes, at + PAGE_HEADER_BYTES);
  const pageBytes = bytes.readUInt32LE(8);
  const isWhole =
    bytes.readUInt32LE(0) === MAGIC &&
    bytes.readUInt32LE(4) === VERSION &&
    bytes.readBigUInt64LE(META_CHECKED_BYTES) ===
      fnv1a(bytes.subarray(0, META_CHECKED_BYTES));
  const isPageSize =
    pageBytes >= MIN_PAGE_BYTES &&
    pageBytes <= MAX_PAGE_BYTES &&
    Number.isInteger(Math.log2(pageBytes));
  if (!isWhole || !isPageSize) return undefined;
  return {
    pageBytes,
    root: readNumber(bytes, 16),
    highWater: readNumber(bytes, 40),
    transaction: bytes.readBigUInt64LE(48),
  };
}

function fnv1a(bytes: Buffer): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash;
}

/** A u64; what is past 2^53 is past the end of any file, too. */
function readNumber(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

interface Pages {
  /** @throws BoltError where it is no page of a tree, or breaks a rule of them */
  readonly page: (number: number, range: Range) => Page;
  readonly count: number;
}

function createPages(file: BoltFile, meta: Meta): Pages {
  const { pageBytes } = meta;
  const count = Math.min(
    meta.highWater,
    Math.floor(file.sizeBytes / pageBytes),
  );
  // As large as the file, but the system gives the memory only for what is read.
  const all = Buffer.allocUnsafeSlow(count * pageBytes);
  const isRead = new Uint8Array(count);
  const load = (first: number, after: number) => {
    for (let number = first; number < after; number += 1) {
      if (isRead[number] === 1) continue;
      const at = number * pageBytes;
      file.read(all.subarray(at, at + pageBytes), at);
      isRead[number] = 1;
    }
    return all.subarray(first * pageBytes, after * pageBytes);
  };
  return {
    count,
    page: (number, range) => {
      const name = `page ${String(number)}`;
      if (number < 2 || number >= count) {
        throw new BoltError(`${name} is past its end (cut off?)`);
      }
      const start = load(number, number + 1);
      if (readNumber(start, 0) !== number) {
        throw new BoltError(`${name} says that it is another one`);
      }
      const after = number + 1 + start.readUInt32LE(12);
      if (after > count) {
        throw new BoltError(`${name} goes past its end (cut off?)`);
      }
      return readPage(name, load(number, after), range);
    },
  };
}

/** @throws BoltError */
function readPage(name: string, bytes: Buffer, range: Range): Page {
  const flags = bytes.readUInt16LE(8);
  const count = bytes.readUInt16LE(10);
  if (flags !== BRANCH && flags !== LEAF) {
    throw new BoltError(`${name} is no page of a tree`);
  }
  const page = { name, isLeaf: flags === LEAF, bytes, count };
  if (!page.isLeaf && count === 0) {
    throw new BoltError(`${name} is a branch without leaves`);
  }
  checkElements(page, range);
  return page;
}

/** What all of a page's elements must keep to. @throws BoltError */
function checkElements(page: Page, range: Range): void {
  const { name, bytes, count } = page;
  let end = PAGE_HEADER_BYTES + count * ELEMENT_BYTES;
  let former: Buffer | undefined;
  for (let index = 0; index < count; index += 1) {
    const { at, keyBytes, valueBytes } = locateElement(page, index);
    if (at < end || at + keyBytes + valueBytes > bytes.length) {
      throw new BoltError(
        `${name}: what element ${String(index)} points at is not in its place`,
      );
    }
    end = at + keyBytes + valueBytes;
    const key = bytes.subarray(at, at + keyBytes);
    const isInOrder =
      former === undefined
        ? range.from === undefined || key.compare(range.from) >= 0
        : key.compare(former) > 0;
    if (keyBytes === 0 || !isInOrder) {
      throw new BoltError(`${name}: key ${String(index)} is not in its order`);
    }
    former = key;
  }
  if (
    former !== undefined &&
    range.before !== undefined &&
    former.compare(range.before) >= 0
  ) {
    throw new BoltError(`${name}: its last key is not in its order`);
  }
}

/** Where an element's key is in its page; the value follows it. */
function locateElement(
  { name, bytes, isLeaf, count }: Page,
  index: number,
): { at: number; keyBytes: number; valueBytes: number } {
  const element = PAGE_HEADER_BYTES + index * ELEMENT_BYTES;
  if (index >= count || element + ELEMENT_BYTES > bytes.length) {
    throw new BoltError(
      `${name} has no room for its ${String(count)} elements`,
    );
  }
  const position = bytes.readUInt32LE(isLeaf ? element + 4 : element);
  return {
    at: element + position,
    keyBytes: bytes.readUInt32LE(isLeaf ? element + 8 : element + 4),
    valueBytes: isLeaf ? bytes.readUInt32LE(element + 12) : 0,
  };
}

function keyAt(page: Page, index: number): Buffer {
  const { at, keyBytes } = locateElement(page, index);
  return page.bytes.subarray(at, at + keyBytes);
}

/** The child of a branch, and which keys it may have. */
function childAt(
  branch: Page,
  index: number,
  range: Range,
): { number: number; range: Range } {
  const element = PAGE_HEADER_BYTES + index * ELEMENT_BYTES;
  return {
    number: readNumber(branch.bytes, element + 8),
    range: {
      from: keyAt(branch, index),
      before:
        index + 1 < branch.count ? keyAt(branch, index + 1) : range.before,
    },
  };
}

function openBucket(pages: Pages, root: number): BoltBucket {
  return bucketOf(pages, () => pages.page(root, EVERY));
}

function bucketOf(pages: Pages, readRoot: () => Page): BoltBucket {
  const find = (wanted: Buffer | string): BoltEntry | undefined => {
    const key = Buffer.from(wanted);
    let page = readRoot();
    let range = EVERY;
    for (let depth = 0; !page.isLeaf; depth += 1) {
      refuseDepth(page, depth);
      const child = childAt(page, Math.max(lastUpTo(page, key), 0), range);
      range = child.range;
      page = pages.page(child.number, range);
    }
    const index = lastUpTo(page, key);
    return index >= 0 && keyAt(page, index).equals(key)
      ? entryAt(pages, page, index)
      : undefined;
  };
  return {
    get: (key) => {
      const entry = find(key);
      return entry?.kind === "value" ? entry.value : undefined;
    },
    bucket: (key) => {
      const entry = find(key);
      return entry?.kind === "bucket" ? entry.bucket : undefined;
    },
    each: (from, visit) => {
      const key = Buffer.from(from);
      const seen = new Set<number>();
      const walk = (page: Page, range: Range, depth: number): boolean => {
        refuseDepth(page, depth);
        const first = lastUpTo(page, key);
        for (let index = Math.max(first, 0); index < page.count; index += 1) {
          if (page.isLeaf) {
            const found = keyAt(page, index);
            if (found.compare(key) < 0) continue;
            if (!visit(found, entryAt(pages, page, index))) return false;
            continue;
          }
          const child = childAt(page, index, range);
          if (seen.has(child.number)) {
            throw new BoltError(`page ${String(child.number)} is in it twice`);
          }
          seen.add(child.number);
          const below = pages.page(child.number, child.range);
          if (!walk(below, child.range, depth + 1)) return false;
        }
        return true;
      };
      walk(readRoot(), EVERY, 0);
    },
  };
}

/** The last element whose key is not past the given one; -1 where there is none. */
function lastUpTo(page: Page, key: Buffer): number {
  let low = 0;
  let high = page.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keyAt(page, middle).compare(key) <= 0) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** @throws BoltError */
function entryAt(pages: Pages, page: Page, index: number): BoltEntry {
  const { at, keyBytes, valueBytes } = locateElement(page, index);
  const flags = page.bytes.readUInt32LE(
    PAGE_HEADER_BYTES + index * ELEMENT_BYTES,
  );
  const value = page.bytes.subarray(at + keyBytes, at + keyBytes + valueBytes);
  const name = `${page.name}, element ${String(index)}`;
  if (flags === 0) return { kind: "value", value };
  if (flags !== 1 || value.length < BUCKET_HEADER_BYTES) {
    throw new BoltError(`${name} is neither a value nor a bucket`);
  }
  const root = readNumber(value, 0);
  return {
    kind: "bucket",
    bucket:
      root === 0
        ? bucketOf(pages, () => readInline(name, value))
        : openBucket(pages, root),
  };
}

/** @throws BoltError */
function readInline(name: string, value: Buffer): Page {
  const bytes = value.subarray(BUCKET_HEADER_BYTES);
  if (bytes.length < PAGE_HEADER_BYTES) {
    throw new BoltError(`${name} is cut off`);
  }
  const page = readPage(name, bytes, EVERY);
  if (page.isLeaf) return page;
  throw new BoltError(`${name} is a branch, in a place for leaves`);
}

function refuseDepth({ name }: Page, depth: number): void {
  if (depth > MAX_DEPTH) throw new BoltError(`${name} is too deep in it`);
}
