import { BoltError } from "./bolt-error.ts";
import { MAX_PAGE_BYTES, readNumber } from "./meta.ts";

/** A page of a tree with the bytes of all its pages, after `checkPage`; the format is bolt.ts's. */
export interface BoltPage {
  /** For messages. */
  readonly name: string;
  readonly isLeaf: boolean;
  readonly bytes: Buffer;
  readonly count: number;
}

/** Where a page stands in its tree, which tells what may be in it. */
export interface PagePlace {
  /** The first key that may be in it; `undefined` for a bucket's first page. */
  readonly from: Buffer | undefined;
  /** The first key after it that may not. */
  readonly before: Buffer | undefined;
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
  const page = { name, isLeaf, bytes, count: bytes.readUInt16LE(10) };
  if (place.isInline) checkInline(page);
  if (page.count === 0 && (!isLeaf || place.from !== undefined)) {
    throw new BoltError(`${name} is empty`);
  }
  const end = checkElements(page, place);
  checkTail(page, end, place.isInline ? 0 : pageBytes);
  return page;
}

/** A page without a number and others that continue it. @throws BoltError */
function checkInline({ name, isLeaf, bytes }: BoltPage): void {
  if (!isLeaf) {
    throw new BoltError(`${name} is a branch, in a place for leaves`);
  }
  if (readNumber(bytes, 0) !== 0 || bytes.readUInt32LE(12) !== 0) {
    throw new BoltError(`${name} says that it is a page of its own`);
  }
}

/** What all of a page's elements must keep to. @returns where the last one ends @throws BoltError */
function checkElements(page: BoltPage, place: PagePlace): number {
  const { name, bytes, count } = page;
  let former: Element | undefined;
  let end = elementAt(count);
  for (let index = 0; index < count; index += 1) {
    const element = locateElement(page, index);
    if (element.at !== end || element.end > bytes.length) {
      throw new BoltError(
        `${name}: what element ${String(index)} points at is not in its place`,
      );
    }
    if (!isAfter(page, element, former, place)) {
      throw new BoltError(`${name}: key ${String(index)} is not in its order`);
    }
    if (page.isLeaf) checkKind(page, index, element, place);
    former = element;
    end = element.end;
  }
  if (
    former !== undefined &&
    place.before !== undefined &&
    keyOf(page, former).compare(place.before) >= 0
  ) {
    throw new BoltError(`${name}: its last key is not in its order`);
  }
  return end;
}

/** Whether an element's key is past the one before it, or the first that may be in the page. */
function isAfter(
  page: BoltPage,
  { at, valueAt }: Element,
  former: Element | undefined,
  { from }: PagePlace,
): boolean {
  const { bytes } = page;
  if (at === valueAt) return false;
  return former === undefined
    ? from === undefined ||
        bytes.compare(from, 0, from.length, at, valueAt) >= 0
    : bytes.compare(bytes, former.at, former.valueAt, at, valueAt) > 0;
}

/** @throws BoltError */
function checkKind(
  { name, bytes }: BoltPage,
  index: number,
  { valueAt, end }: Element,
  place: PagePlace,
): void {
  const flags = bytes.readUInt32LE(elementAt(index));
  if (flags === 0) return;
  const room = end - valueAt - BUCKET_HEADER_BYTES;
  const isBucket =
    flags === 1 &&
    room >= 0 &&
    (readNumber(bytes, valueAt) === 0 ? room >= PAGE_HEADER_BYTES : room === 0);
  if (!isBucket) {
    throw new BoltError(
      `${name}: element ${String(index)} is neither a value nor a bucket`,
    );
  }
  if (place.isInline) {
    throw new BoltError(
      `${name}: element ${String(index)} is a bucket, in a place for values`,
    );
  }
}

/** What is behind the last element: zeros, and no page more than bbolt takes. @throws BoltError */
function checkTail({ name, bytes }: BoltPage, end: number, most: number): void {
  const tail = bytes.subarray(end);
  if (tail.length > most) {
    throw new BoltError(`${name} is longer than what is in it`);
  }
  if (!tail.equals(ZEROS.subarray(0, tail.length))) {
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

/** @throws BoltError */
function locateElement(
  { name, bytes, isLeaf, count }: BoltPage,
  index: number,
): Element {
  const element = elementAt(index);
  if (index >= count || element + ELEMENT_BYTES > bytes.length) {
    throw new BoltError(
      `${name} has no room for its ${String(count)} elements`,
    );
  }
  const at = element + bytes.readUInt32LE(isLeaf ? element + 4 : element);
  const valueAt = at + bytes.readUInt32LE(isLeaf ? element + 8 : element + 4);
  const end = valueAt + (isLeaf ? bytes.readUInt32LE(element + 12) : 0);
  return { at, valueAt, end };
}

function keyOf({ bytes }: BoltPage, { at, valueAt }: Element): Buffer {
  return bytes.subarray(at, valueAt);
}

export function keyAt(page: BoltPage, index: number): Buffer {
  return keyOf(page, locateElement(page, index));
}

/** A leaf's. */
export function valueAt(
  page: BoltPage,
  index: number,
): { kind: "value" | "bucket"; value: Buffer } {
  const { valueAt, end } = locateElement(page, index);
  return {
    kind: page.bytes.readUInt32LE(elementAt(index)) === 1 ? "bucket" : "value",
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
    number: readNumber(branch.bytes, elementAt(index) + 8),
    place: {
      from: keyAt(branch, index),
      before: index + 1 < branch.count ? keyAt(branch, index + 1) : before,
      isInline: false,
    },
  };
}

/** Calls back with the number of each page that an element points at, and the element's own. */
export function visitPointers(
  page: BoltPage,
  visit: (number: number, index: number) => void,
): void {
  const { bytes, isLeaf, count } = page;
  for (let index = 0; index < count; index += 1) {
    const element = elementAt(index);
    if (!isLeaf) visit(readNumber(bytes, element + 8), index);
    else if (bytes.readUInt32LE(element) === 1) {
      const root = readNumber(bytes, locateElement(page, index).valueAt);
      if (root !== 0) visit(root, index);
    }
  }
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
