/**
 * What each byte of a bbolt database is for, by the format (runtime/stores/bolt/bolt.ts has it). It reads
 * files that are whole, and is written apart from the reader that it judges.
 */

/** In no order. */
export const KINDS = [
  /** Free pages, the freelist, what is behind the last element, a meta page's header. */
  "unused",
  "newer meta",
  "older meta",
  /** Numbers, kinds, counts, sizes and positions. */
  "structure",
  /** Whether an element is a value or a bucket. */
  "element kind",
  /** How long the key and the value of a page's last element are, behind which there are zeros. */
  "last sizes",
  /** The number of a page. */
  "pointer",
  /** A bucket's, for who writes. */
  "sequence",
  "branch key",
  "key",
  "value",
] as const;
export type ByteKind = (typeof KINDS)[number];

export interface ByteMap {
  readonly pageBytes: number;
  readonly kindAt: (at: number) => ByteKind;
  /** The positions that are not unused. */
  readonly used: readonly number[];
  /** Whether a page is part of the last transaction's tree. */
  readonly isLive: (page: number) => boolean;
  /** Whether the way from the root to a page of the tree leads through another one. */
  readonly isBelow: (page: number, other: number) => boolean;
}

/**
 * @param bytes a database that is whole, but for one of its meta pages
 * @param pageBytes where it cannot be read from the first meta page
 */
export function mapBytes(
  bytes: Buffer,
  pageBytes = bytes.readUInt32LE(24),
): ByteMap {
  const kinds = new Uint8Array(bytes.length);
  /** The pages of the tree, to the page that points there. */
  const parents = new Map<number, number | undefined>();
  const mark = (kind: ByteKind, from: number, to: number) => {
    kinds.fill(KINDS.indexOf(kind), from, to);
  };
  const transactionAt = (meta: number) => bytes.readBigUInt64LE(meta + 64);
  const newer = transactionAt(pageBytes) > transactionAt(0) ? pageBytes : 0;
  mark("newer meta", newer + 16, newer + 80);
  mark("older meta", pageBytes - newer + 16, pageBytes - newer + 80);

  const markPage = (page: number, parent?: number) => {
    const at = page * pageBytes;
    const more = bytes.readUInt32LE(at + 12);
    for (let next = page; next <= page + more; next += 1) {
      parents.set(next, parent);
    }
    markElements(at, page);
  };
  const markElements = (start: number, page: number) => {
    mark("structure", start, start + 16);
    const isLeaf = bytes.readUInt16LE(start + 8) === 2;
    const count = bytes.readUInt16LE(start + 10);
    const end = start + 16 + count * 16;
    for (let at = start + 16; at < end; at += 16) {
      if (isLeaf) markLeaf(at, page);
      else markBranch(at, page);
    }
    const isInline = start % pageBytes !== 0;
    if (isLeaf && count > 0 && !isInline) mark("last sizes", end - 8, end);
  };
  const markBranch = (at: number, page: number) => {
    mark("structure", at, at + 8);
    mark("pointer", at + 8, at + 16);
    const key = at + bytes.readUInt32LE(at);
    mark("branch key", key, key + bytes.readUInt32LE(at + 4));
    markPage(Number(bytes.readBigUInt64LE(at + 8)), page);
  };
  const markLeaf = (at: number, page: number) => {
    mark("structure", at, at + 16);
    mark("element kind", at, at + 4);
    const key = at + bytes.readUInt32LE(at + 4);
    const value = key + bytes.readUInt32LE(at + 8);
    mark("key", key, value);
    if (bytes.readUInt32LE(at) === 0) {
      mark("value", value, value + bytes.readUInt32LE(at + 12));
      return;
    }
    mark("pointer", value, value + 8);
    mark("sequence", value + 8, value + 16);
    const root = Number(bytes.readBigUInt64LE(value));
    if (root === 0) markElements(value + 16, page);
    else markPage(root, page);
  };
  markPage(Number(bytes.readBigUInt64LE(newer + 32)));

  const used: number[] = [];
  for (const [at, kind] of kinds.entries()) if (kind !== 0) used.push(at);
  return {
    pageBytes,
    kindAt: (at) => KINDS[kinds[at] ?? 0] ?? "unused",
    used,
    isLive: (page) => parents.has(page),
    isBelow: (page, other) => {
      let above = parents.get(page);
      while (above !== undefined && above !== other) above = parents.get(above);
      return above === other;
    },
  };
}
