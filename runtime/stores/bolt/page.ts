import { BoltError, MAX_PAGE_BYTES, readNumber } from "./meta.ts";

/** The bytes of a page of a tree, and of those that continue it; the format is bolt.ts's. */
interface PageBytes {
  /** For messages. */
  readonly name: string;
  readonly isLeaf: boolean;
  readonly bytes: Buffer;
  /** The same as numbers: all of them, but the last ones of a page in a bucket's value. */
  readonly words: Uint32Array;
  readonly count: number;
}

/** What is in a page that keeps to the rules. */
interface Elements {
  /** Where the last one ends. */
  readonly end: number;
  /** The page that each points at; 0 where it points at none. */
  readonly pointers: readonly number[];
  /** A branch's; as those in `PagePlace`. */
  readonly keys: readonly string[];
}

/** After `checkPage`. */
export type BoltPage = PageBytes & Omit<Elements, "end">;

/** Where a page stands in its tree, which tells what may be in it. Keys are in Latin-1: they sort as bytes do. */
export interface PagePlace {
  /** The first key that may be in it; `undefined` for a bucket's first page. */
  readonly from: string | undefined;
  /** The first key after it that may not. */
  readonly before: string | undefined;
  /** In a bucket's value. */
  readonly isInline: boolean;
}

export const ROOT: PagePlace = {
  from: undefined,
  before: undefined,
  isInline: false,
};

export const INLINE: PagePlace = { ...ROOT, isInline: true };

export const PAGE_HEADER_BYTES = 16;

export const BUCKET_HEADER_BYTES = 16;

const ELEMENT_BYTES = 16;

const WORD_BYTES = 4;

const BRANCH = 1;

const LEAF = 2;

const ZEROS = Buffer.alloc(MAX_PAGE_BYTES);

/**
 * Reads the pages' header, and holds all of them to the rules that bolt.ts lists.
 * @param bytes of all its pages
 * @throws BoltError
 */
export function checkPage(
  name: string,
  bytes: Buffer,
  pageBytes: number,
  place: PagePlace,
): BoltPage {
  const flags = bytes.readUInt16LE(8);
  if (flags !== BRANCH && flags !== LEAF) {
    throw new BoltError(`${name} is no page of a tree`);
  }
  const isLeaf = flags === LEAF;
  // Node lets buffers of its own begin at multiples of eight.
  const words = new Uint32Array(
    bytes.buffer,
    bytes.byteOffset,
    Math.floor(bytes.length / WORD_BYTES),
  );
  const page = { name, isLeaf, bytes, words, count: bytes.readUInt16LE(10) };
  if (place.isInline) checkInline(page);
  if (page.count === 0 && (!isLeaf || place.from !== undefined)) {
    throw new BoltError(`${name} is empty`);
  }
  const { end, pointers, keys } = checkElements(page, place);
  checkTail(page, end, place.isInline ? 0 : pageBytes);
  return { ...page, pointers, keys };
}

/** A page without a number and others that continue it. @throws BoltError */
function checkInline({ name, isLeaf, bytes }: PageBytes): void {
  if (!isLeaf) {
    throw new BoltError(`${name} is a branch, in a place for leaves`);
  }
  if (readNumber(bytes, 0) !== 0 || bytes.readUInt32LE(12) !== 0) {
    throw new BoltError(`${name} says that it is a page of its own`);
  }
}

/**
 * What all of a page's elements must keep to. With ten thousand images, this is where the time goes, in
 * code that has not run before: so it is a loop with few calls, which reads numbers as such, and compares
 * keys as texts, for to compare bytes where they are takes longer.
 * @throws BoltError
 */
function checkElements(
  { name, isLeaf, bytes, words, count }: PageBytes,
  { from, before, isInline }: PagePlace,
): Elements {
  const { length } = bytes;
  // Not of a page that a few values make long.
  const text = length > MAX_PAGE_BYTES ? undefined : bytes.toString("latin1");
  const pointers: number[] = [];
  const keys: string[] = [];
  const position = isLeaf ? 1 : 0;
  let end = elementAt(count);
  let former: string | undefined;
  for (let index = 0; index < count; index += 1) {
    const element = PAGE_HEADER_BYTES + index * ELEMENT_BYTES;
    const word = element / WORD_BYTES;
    const at = element + (words[word + position] ?? 0);
    const valueAt = at + (words[word + position + 1] ?? 0);
    const valueEnd = isLeaf ? valueAt + (words[word + 3] ?? 0) : valueAt;
    if (at !== end || valueEnd > length) {
      throw new BoltError(
        `${name}: what element ${String(index)} points at is not in its place`,
      );
    }
    const key =
      text?.slice(at, valueAt) ?? bytes.toString("latin1", at, valueAt);
    if (former === undefined ? !isFirst(key, from) : key <= former) {
      throw new BoltError(`${name}: key ${String(index)} is not in its order`);
    }
    if (!isLeaf) {
      keys.push(key);
      pointers.push(numberAt(words, element + 8));
    } else if (words[word] === 0) {
      pointers.push(0);
    } else {
      const room = valueEnd - valueAt - BUCKET_HEADER_BYTES;
      const root = room < 0 ? 0 : numberAt(words, valueAt);
      const isBucket =
        words[word] === 1 &&
        (root === 0 ? room >= PAGE_HEADER_BYTES : room === 0);
      if (!isBucket || isInline) throw wrongKind(name, index, isBucket);
      pointers.push(root);
    }
    former = key;
    end = valueEnd;
  }
  if (former !== undefined && before !== undefined && former >= before) {
    throw new BoltError(`${name}: its last key is not in its order`);
  }
  return { end, pointers, keys };
}

/** Whether a page can begin with that key. */
function isFirst(key: string, from = ""): boolean {
  return key !== "" && key >= from;
}

function wrongKind(name: string, index: number, isBucket: boolean): BoltError {
  return new BoltError(
    `${name}: element ${String(index)} is ${isBucket ? "a bucket, in a place for values" : "neither a value nor a bucket"}`,
  );
}

/** A u64 that begins anywhere; one that is past 2^53 is past the end of any file, too. */
function numberAt(words: Uint32Array, at: number): number {
  const word = at >>> 2;
  const first = words[word] ?? 0;
  const second = words[word + 1] ?? 0;
  const skipped = (at & 3) * 8;
  if (skipped === 0) return first + second * 2 ** 32;
  const third = words[word + 2] ?? 0;
  const taken = 32 - skipped;
  const low = ((first >>> skipped) | (second << taken)) >>> 0;
  const high = ((second >>> skipped) | (third << taken)) >>> 0;
  return low + high * 2 ** 32;
}

/** What is behind the last element: zeros, and no page more than bbolt takes. @throws BoltError */
function checkTail(
  { name, bytes }: PageBytes,
  end: number,
  most: number,
): void {
  const rest = bytes.length - end;
  if (rest > most) {
    throw new BoltError(`${name} is longer than what is in it`);
  }
  if (bytes.compare(ZEROS, 0, rest, end) !== 0) {
    throw new BoltError(`${name} goes on behind its last element`);
  }
}

function elementAt(index: number): number {
  return PAGE_HEADER_BYTES + index * ELEMENT_BYTES;
}

/** Where an element's key and value are in its page. */
interface Element {
  readonly at: number;
  readonly valueAt: number;
  readonly end: number;
}

function locateElement({ words, isLeaf }: BoltPage, index: number): Element {
  const element = elementAt(index);
  const word = element / WORD_BYTES;
  const at = element + (words[isLeaf ? word + 1 : word] ?? 0);
  const valueAt = at + (words[isLeaf ? word + 2 : word + 1] ?? 0);
  const end = valueAt + (isLeaf ? (words[word + 3] ?? 0) : 0);
  return { at, valueAt, end };
}

export function keyAt(page: BoltPage, index: number): Buffer {
  const { at, valueAt } = locateElement(page, index);
  return page.bytes.subarray(at, valueAt);
}

/** A leaf's. */
export function valueAt(
  page: BoltPage,
  index: number,
): { kind: "value" | "bucket"; value: Buffer } {
  const { valueAt, end } = locateElement(page, index);
  const flags = page.words[elementAt(index) / WORD_BYTES];
  return {
    kind: flags === 0 ? "value" : "bucket",
    value: page.bytes.subarray(valueAt, end),
  };
}

/** The page that a branch's element points at, and what may be in it. */
export function childAt(
  branch: BoltPage,
  index: number,
  { before }: PagePlace,
): { number: number; place: PagePlace } {
  return {
    number: branch.pointers[index] ?? 0,
    place: {
      from: branch.keys[index],
      before: branch.keys[index + 1] ?? before,
      isInline: false,
    },
  };
}

/** The last element whose key is not past the given one; -1 where there is none. */
export function lastUpTo(page: BoltPage, key: Buffer): number {
  let low = 0;
  let high = page.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { at, valueAt } = locateElement(page, middle);
    if (page.bytes.compare(key, 0, key.length, at, valueAt) <= 0) {
      low = middle + 1;
    } else high = middle;
  }
  return low - 1;
}
