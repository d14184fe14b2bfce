import {
  BoltError,
  MAX_PAGE_SIZE,
  PAGE_HEADER_SIZE,
  readPgid,
  type BoltFile,
  type Meta,
} from "./meta.ts";

/** A page of a tree that keeps to the rules; the format is bolt.ts's. */
export interface BoltPage {
  /** For messages. */
  readonly name: string;
  readonly isLeaf: boolean;
  readonly bytes: Buffer;
  readonly count: number;
  /** Where each element's key and value begin, in turns, and where the last value ends. */
  readonly bounds: readonly number[];
  /** For each element the page that it points at, or `INLINE`, or `VALUE`. */
  readonly pgids: readonly number[];
  /** A branch's, in Latin-1, which sorts as bytes do. */
  readonly keys: readonly string[];
}

/** The bucket's only page is in its value. */
export const INLINE = 0;

/** The element is no bucket. */
export const VALUE = -1;

/** The keys that a page may have by its place in the tree. */
export interface KeyRange {
  /** The first one; `undefined` for a bucket's first page. */
  readonly from: string | undefined;
  /** The first one after them. */
  readonly before: string | undefined;
}

export const ANY_KEY: KeyRange = { from: undefined, before: undefined };

export const BUCKET_HEADER_SIZE = 16;

/** Of a branchPageElement, and of a leafPageElement. */
const ELEMENT_SIZE = 16;
const WORD_SIZE = 4;
const BRANCH_PAGE_FLAG = 1;
const LEAF_PAGE_FLAG = 2;
const BUCKET_LEAF_FLAG = 1;
const ZEROS = Buffer.alloc(MAX_PAGE_SIZE);

/**
 * Parses a page and its overflow, and checks it by the rules that bolt.ts lists.
 * @param pageSize 0 for an inline page
 * @throws BoltError
 */
export function parsePage(
  name: string,
  bytes: Buffer,
  pageSize: number,
  range: KeyRange,
): BoltPage {
  const flags = bytes.readUInt16LE(8);
  if (flags !== BRANCH_PAGE_FLAG && flags !== LEAF_PAGE_FLAG) {
    throw new BoltError(`${name} is neither a branch nor a leaf page`);
  }
  const isLeaf = flags === LEAF_PAGE_FLAG;
  const isInline = pageSize === 0;
  if (isInline && !isLeaf) {
    throw new BoltError(`${name} is a branch page where a leaf page belongs`);
  }
  if (isInline && (readPgid(bytes, 0) !== 0 || bytes.readUInt32LE(12) !== 0)) {
    throw new BoltError(`${name} has a page number, though it is inline`);
  }
  const count = bytes.readUInt16LE(10);
  if (count === 0 && (!isLeaf || range.from !== undefined)) {
    throw new BoltError(`${name} is empty`);
  }
  const header = { name, isLeaf, bytes, count };
  const elements = parseElements(header, isInline, range);
  const end = elements.bounds.at(-1) ?? 0;
  const rest = bytes.length - end;
  if (rest > pageSize) {
    throw new BoltError(`${name} is longer than its elements`);
  }
  if (bytes.compare(ZEROS, 0, rest, end) !== 0) {
    throw new BoltError(`${name} has data after its last element`);
  }
  return { ...header, ...elements };
}

/**
 * With ten thousand images, this is where the time goes, in code that has not run before. So it is one
 * loop with few calls, and it compares keys as texts: comparing bytes in place takes longer.
 * @throws BoltError
 */
function parseElements(
  { name, isLeaf, bytes, count }: Omit<BoltPage, "bounds" | "pgids" | "keys">,
  isInline: boolean,
  { from = "", before }: KeyRange,
): Pick<BoltPage, "bounds" | "pgids" | "keys"> {
  // Node lets buffers of its own begin at multiples of eight.
  const words = new Uint32Array(
    bytes.buffer,
    bytes.byteOffset,
    Math.floor(bytes.length / WORD_SIZE),
  );
  // Not of a page that a few values make long.
  const text =
    bytes.length > MAX_PAGE_SIZE ? undefined : bytes.toString("latin1");
  const bounds = new Array<number>(2 * count + 1);
  const pgids: number[] = [];
  const keys: string[] = [];
  let end = PAGE_HEADER_SIZE + count * ELEMENT_SIZE;
  let former: string | undefined;
  for (let index = 0; index < count; index += 1) {
    const element = PAGE_HEADER_SIZE + index * ELEMENT_SIZE;
    const word = element / WORD_SIZE;
    // leafPageElement: flags, pos, ksize, vsize; branchPageElement: pos, ksize, pgid.
    const pos = isLeaf ? word + 1 : word;
    const at = element + (words[pos] ?? 0);
    const valueAt = at + (words[pos + 1] ?? 0);
    const valueEnd = isLeaf ? valueAt + (words[pos + 2] ?? 0) : valueAt;
    if (at !== end || valueEnd > bytes.length) {
      throw new BoltError(
        `${name}: the data of element ${String(index)} is not in its place`,
      );
    }
    const key =
      text?.slice(at, valueAt) ?? bytes.toString("latin1", at, valueAt);
    const isInOrder =
      former === undefined ? key !== "" && key >= from : key > former;
    if (!isInOrder) {
      throw new BoltError(`${name}: key ${String(index)} is out of order`);
    }
    bounds[2 * index] = at;
    bounds[2 * index + 1] = valueAt;
    if (!isLeaf) {
      keys.push(key);
      pgids.push(pgidIn(words, element + 8));
    } else if (words[word] === 0) {
      pgids.push(VALUE);
    } else {
      const room = valueEnd - valueAt - BUCKET_HEADER_SIZE;
      const root = room < 0 ? INLINE : pgidIn(words, valueAt);
      const isBucket =
        words[word] === BUCKET_LEAF_FLAG &&
        (root === INLINE ? room >= PAGE_HEADER_SIZE : room === 0);
      if (!isBucket || isInline) {
        throw new BoltError(
          `${name}: element ${String(index)} is ${isBucket ? "a bucket where a value belongs" : "neither a value nor a bucket"}`,
        );
      }
      pgids.push(root);
    }
    former = key;
    end = valueEnd;
  }
  if (former !== undefined && before !== undefined && former >= before) {
    throw new BoltError(`${name}: its last key is out of order`);
  }
  bounds[2 * count] = end;
  return { bounds, pgids, keys };
}

export function keyAt({ bytes, bounds }: BoltPage, index: number): Buffer {
  return bytes.subarray(bounds[2 * index], bounds[2 * index + 1]);
}

/** A leaf's. */
export function valueAt({ bytes, bounds }: BoltPage, index: number): Buffer {
  return bytes.subarray(bounds[2 * index + 1], bounds[2 * index + 2]);
}

/** The keys that may be below a branch's element. */
export function rangeBelow(
  { keys }: BoltPage,
  index: number,
  { before }: KeyRange,
): KeyRange {
  return { from: keys[index], before: keys[index + 1] ?? before };
}

/** The last element whose key is not past the given one; -1 where there is none. */
export function lastUpTo(page: BoltPage, key: Buffer): number {
  let low = 0;
  let high = page.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = page.bounds[2 * middle];
    const end = page.bounds[2 * middle + 1];
    const isUpTo = page.bytes.compare(key, 0, key.length, at, end) <= 0;
    if (isUpTo) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** As `readPgid`, which takes twice as long. */
function pgidIn(words: Uint32Array, at: number): number {
  const word = at >>> 2;
  const shift = (at & 3) * 8;
  const first = words[word] ?? 0;
  const second = words[word + 1] ?? 0;
  const third = words[word + 2] ?? 0;
  if (shift === 0) return first + second * 2 ** 32;
  const low = ((first >>> shift) | (second << (32 - shift))) >>> 0;
  const high = ((second >>> shift) | (third << (32 - shift))) >>> 0;
  return low + high * 2 ** 32;
}

/** What is read of one database at most: enough for sixty thousand images, which have a page each. */
const MAX_READ_BYTES = 2 ** 28;

/** The pages of a database's trees. */
export class BoltPages {
  readonly pageSize: number;
  readonly #file: BoltFile;
  readonly #count: number;
  readonly #known = new Map<number, BoltPage>();
  /** The pages that something points at: another one's element, or its overflow. */
  readonly #claimed: Uint8Array;
  #readBytes = 0;

  constructor(file: BoltFile, { pageSize, pgid, root }: Meta) {
    this.pageSize = pageSize;
    this.#file = file;
    this.#count = Math.min(pgid, Math.floor(file.sizeBytes() / pageSize));
    this.#claimed = new Uint8Array(this.#count);
    this.#claim(root);
  }

  /**
   * Each page is read once, and kept.
   * @throws BoltError where it is no page of a tree, or breaks a rule of them
   */
  page(pgid: number, range: KeyRange): BoltPage {
    const former = this.#known.get(pgid);
    if (former !== undefined) return former;
    const bytes = this.#load(pgid);
    const page = parsePage(nameOf(pgid), bytes, this.pageSize, range);
    this.#known.set(pgid, page);
    const claimed = this.#claimed;
    for (const target of page.pgids) {
      // Nearly always: not a call for each of ten thousand images.
      if (claimed[target] === 0) claimed[target] = 1;
      else if (target > 0) this.#claim(target);
    }
    return page;
  }

  /** Each page has one place. A pointer past the end fails where it is followed. */
  #claim(pgid: number): void {
    if (this.#claimed[pgid] === 1) {
      throw new BoltError(`${nameOf(pgid)} is used twice`);
    }
    this.#claimed[pgid] = 1;
  }

  #load(pgid: number): Buffer {
    if (pgid < 2 || pgid >= this.#count) {
      throw new BoltError(
        `${nameOf(pgid)} is past the end of the file (cut off?)`,
      );
    }
    const first = this.#allocate(pgid, 1);
    this.#file.read(first, pgid * this.pageSize);
    if (readPgid(first, 0) !== pgid) {
      throw new BoltError(`${nameOf(pgid)} has the number of another page`);
    }
    const overflow = first.readUInt32LE(12);
    if (overflow === 0) return first;
    if (pgid + overflow >= this.#count) {
      throw new BoltError(
        `${nameOf(pgid)} extends past the end of the file (cut off?)`,
      );
    }
    for (let next = 1; next <= overflow; next += 1) this.#claim(pgid + next);
    const all = this.#allocate(pgid, 1 + overflow);
    first.copy(all);
    this.#file.read(all.subarray(this.pageSize), (pgid + 1) * this.pageSize);
    return all;
  }

  #allocate(pgid: number, pages: number): Buffer {
    this.#readBytes += pages * this.pageSize;
    if (this.#readBytes > MAX_READ_BYTES) {
      throw new BoltError(
        `${nameOf(pgid)} would exceed the limit on what is read of one file`,
      );
    }
    return Buffer.allocUnsafe(pages * this.pageSize);
  }
}

function nameOf(pgid: number): string {
  return `page ${String(pgid)}`;
}
