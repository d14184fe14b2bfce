import { shorten } from "../../base/shorten.ts";
import { BoltError, isCurrent, readMeta, type BoltFile } from "./meta.ts";
import {
  ANY_KEY,
  BUCKET_HEADER_SIZE,
  INLINE,
  keyAt,
  lastUpTo,
  parsePage,
  rangeBelow,
  VALUE,
  valueAt,
  type BoltPage,
  BoltPages,
} from "./page.ts";

/**
 * A reader of bbolt databases, the files in which containerd keeps its metadata.
 *
 * The format, as go.etcd.io/bbolt writes it (db.go, node.go, internal/common/{page,meta,bucket}.go), in its
 * own names; all numbers are little-endian, for so are the machines that dockroot runs on:
 *
 * - The file is pages of one size, the memory page's of the machine that made it (1 KiB to 64 KiB).
 *   The page with a `pgid` is at `pgid * pageSize`. A page begins with `id pgid, flags u16, count u16,
 *   overflow u32` and goes on for `overflow` more pages; a pgid is a u64. Flags: branchPageFlag 1,
 *   leafPageFlag 2, metaPageFlag 4, freelistPageFlag 16.
 * - Pages 0 and 1 are meta pages: `magic u32, version u32, pageSize u32, flags u32, root (pgid, sequence
 *   u64), freelist pgid, pgid, txid u64, checksum u64`. `pgid` is the high water mark, `checksum` FNV-1a (64
 *   bits) of what is before it. Of those that are valid, the one with the higher txid counts: a
 *   transaction that was cut off has spoilt the other.
 * - A branch page has `count` times branchPageElement `pos u32, ksize u32, pgid`, a leaf page `count` times
 *   leafPageElement `flags u32, pos u32, ksize u32, vsize u32`. The key is at the element's own address +
 *   pos, a leaf's value follows it. Keys are sorted bytewise; all those below a branch's element lie from
 *   its key on and before the next one's.
 * - A leafPageElement with bucketLeafFlag 1 is a bucket; its value is `root pgid, sequence u64`. Where root
 *   is 0, the bucket's only page, a leaf, follows in the value (an inline bucket).
 * - The freelist tells which pages are free, which a reader does not need to know.
 *
 * Nothing but the meta pages has a checksum. But there are rules, and what breaks one is refused. Those
 * of `bbolt check`: each page says its own pgid and has one place in the file's one tree of trees;
 * keys lie in order and within what is above them. Those of how bbolt writes a page: the elements'
 * keys and values follow each other without a gap, zeros come after, and it has no more overflow than that
 * takes; only a bucket's first page may be empty; an inline page ends with its value and has no
 * buckets. So of what tells where things are, little can change unnoticed: a pointer to a page that was
 * right once, whether an element is a bucket, where in a page the last key ends and its value does. And
 * a hostile file can neither keep the reader going nor make it hold more than the file is large.
 *
 * A key that is not found may yet be there where a branch's key is wrong, which shows only when the
 * pages next to it are read: a caller that concludes something from an absence reads all keys.
 */

interface BoltDatabase {
  readonly root: BoltBucket;
  /** Whether all that was read until now is one transaction's: an engine may be writing. */
  readonly isCurrent: () => boolean;
}

/** @throws BoltError */
export function openBolt(file: BoltFile): BoltDatabase {
  const meta = readMeta(file);
  const pages = new BoltPages(file, meta);
  return {
    root: new BoltBucket(pages, () => pages.page(meta.root, ANY_KEY)),
    isCurrent: () => isCurrent(file, meta),
  };
}

type BoltEntry = { readonly key: Buffer } & (
  | { readonly kind: "value"; readonly value: Buffer }
  | { readonly kind: "bucket"; readonly bucket: BoltBucket }
);

/** With two keys a page, a tree of this depth has more pages than any file. */
const MAX_DEPTH = 64;

export class BoltBucket {
  readonly #pages: BoltPages;
  readonly #readRoot: () => BoltPage;

  constructor(pages: BoltPages, readRoot: () => BoltPage) {
    this.#pages = pages;
    this.#readRoot = readRoot;
  }

  /** @throws BoltError, also where it is a bucket; `undefined` where there is no such key */
  get(key: string | Buffer): Buffer | undefined {
    const entry = this.#find(Buffer.from(key));
    if (entry?.kind === "bucket") throw isOtherKind(entry, "value");
    return entry?.value;
  }

  /**
   * The bucket at the end of a path of buckets; `undefined` where there is none of one of the names.
   * @throws BoltError, also where one is no bucket
   */
  bucket(name: string | Buffer, ...below: string[]): BoltBucket | undefined {
    const entry = this.#find(Buffer.from(name));
    if (entry?.kind === "value") throw isOtherKind(entry, "bucket");
    const [next, ...rest] = below;
    return next === undefined
      ? entry?.bucket
      : entry?.bucket.bucket(next, ...rest);
  }

  /** The keys in their order, from one on. @throws BoltError */
  *entries(from: string | Buffer = ""): Generator<BoltEntry, undefined> {
    const key = Buffer.from(from);
    for (const leaf of this.#leaves(key)) {
      let index = Math.max(lastUpTo(leaf, key), 0);
      if (index < leaf.count && keyAt(leaf, index).compare(key) < 0) index += 1;
      for (; index < leaf.count; index += 1) yield this.#entry(leaf, index);
    }
  }

  /** The names of the buckets in it. @throws BoltError */
  bucketNames(): string[] {
    return [...this.entries()].flatMap(({ kind, key }) =>
      kind === "bucket" ? [key.toString("utf8")] : [],
    );
  }

  /**
   * Reads all the pages that the bucket itself has, and so finds keys that point at the same page.
   * @throws BoltError
   */
  readPages(): void {
    const leaves = this.#leaves(Buffer.alloc(0));
    while (leaves.next().done !== true);
  }

  #find(key: Buffer): BoltEntry | undefined {
    const leaf = this.#leaves(key).next().value;
    if (leaf === undefined) return undefined;
    const index = lastUpTo(leaf, key);
    return index >= 0 && keyAt(leaf, index).equals(key)
      ? this.#entry(leaf, index)
      : undefined;
  }

  /** The leaf pages in their order, from the one that may have the key. */
  *#leaves(
    key: Buffer,
    page = this.#readRoot(),
    range = ANY_KEY,
    depth = 0,
  ): Generator<BoltPage, undefined> {
    if (depth > MAX_DEPTH)
      throw new BoltError(`${page.name} is too deep in the tree`);
    if (page.isLeaf) {
      yield page;
      return;
    }
    const first = Math.max(lastUpTo(page, key), 0);
    for (let index = first; index < page.count; index += 1) {
      const below = rangeBelow(page, index, range);
      const child = this.#pages.page(page.pgids[index] ?? 0, below);
      yield* this.#leaves(key, child, below, depth + 1);
    }
  }

  #entry(leaf: BoltPage, index: number): BoltEntry {
    const key = keyAt(leaf, index);
    const value = valueAt(leaf, index);
    const pgid = leaf.pgids[index];
    if (pgid === undefined || pgid === VALUE)
      return { key, kind: "value", value };
    const pages = this.#pages;
    let page: BoltPage | undefined;
    const readRoot = () => {
      if (pgid !== INLINE) return pages.page(pgid, ANY_KEY);
      const name = `${leaf.name}, element ${String(index)}`;
      // A copy, so that it begins where numbers may.
      const bytes = Buffer.from(value.subarray(BUCKET_HEADER_SIZE));
      return (page ??= parsePage(name, bytes, 0, ANY_KEY));
    };
    return { key, kind: "bucket", bucket: new BoltBucket(pages, readRoot) };
  }
}

function isOtherKind(
  { key, kind }: BoltEntry,
  expected: "bucket" | "value",
): BoltError {
  const name = JSON.stringify(shorten(key.toString()));
  return new BoltError(`${name} is a ${kind} where a ${expected} belongs`);
}
