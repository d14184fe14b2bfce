import { BoltError, isCurrent, readMeta, type BoltFile } from "./meta.ts";
import {
  BUCKET_HEADER_BYTES,
  checkPage,
  childAt,
  INLINE,
  keyAt,
  lastUpTo,
  ROOT,
  valueAt,
  type BoltPage,
  type PagePlace,
} from "./page.ts";
import { createPages, type BoltPages } from "./pages.ts";
import { shorten } from "../../base/abbreviate-ids.ts";

/**
 * A reader of bbolt databases, the files in which containerd keeps its metadata.
 *
 * The format, as go.etcd.io/bbolt writes it (db.go, node.go, internal/common/{page,meta,bucket}.go); all
 * numbers are little-endian, for so are the machines that dockroot runs on:
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
 * Nothing but the meta pages has a checksum. But there are rules, and what breaks one is refused. Those
 * of `bbolt check`: each page says its own number and has one place in the file's one tree of trees;
 * keys lie in order and within what is above them. Those of how bbolt writes a page: the elements'
 * keys and values follow each other without a gap, zeros come after, and it is no page longer than that
 * takes; only a bucket's first page may be empty; an inline page ends with its value and has no
 * buckets. So of what tells where things are, little can change unnoticed: a pointer to a page that was
 * right once, whether an element is a bucket, where in a page the last key ends and its value does. And
 * a hostile file can neither keep the reader going nor make it hold more than the file is large.
 *
 * A key that is not found may yet be there where a branch's key is wrong, which comes out only as the
 * pages next to it are read: who makes something of an absence goes through all keys.
 */

export interface BoltDatabase {
  readonly root: BoltBucket;
  /** Whether all that was read until now is one transaction's: asked where an engine may be running. */
  readonly isCurrent: () => boolean;
}

export interface BoltBucket {
  /** @throws BoltError, also where it is a bucket; `undefined` where there is no such key */
  readonly get: (key: Buffer | string) => Buffer | undefined;
  /** @throws BoltError, also where it is no bucket; `undefined` where there is no such key */
  readonly bucket: (key: Buffer | string) => BoltBucket | undefined;
  /**
   * Goes through the keys in their order, from one on, until `visit` says `false`.
   * @throws BoltError
   */
  readonly each: (
    from: Buffer | string,
    visit: (key: Buffer, entry: BoltEntry) => boolean,
  ) => void;
  /**
   * Reads all the pages that the bucket itself has, and so finds out what points at the same page as
   * another key of it does.
   * @throws BoltError
   */
  readonly readPages: () => void;
}

export type BoltEntry =
  | { readonly kind: "value"; readonly value: Buffer }
  | { readonly kind: "bucket"; readonly bucket: BoltBucket };

/** With two keys a page, a tree of this depth has more pages than any file. */
const MAX_DEPTH = 64;

/** @throws BoltError */
export function openBolt(file: BoltFile): BoltDatabase {
  const meta = readMeta(file);
  const pages = createPages(file, meta);
  return {
    root: bucketOf(pages, () => pages.page(meta.root, ROOT)),
    isCurrent: () => isCurrent(file, meta),
  };
}

function bucketOf(pages: BoltPages, readRoot: () => BoltPage): BoltBucket {
  const find = (wanted: Buffer | string): BoltEntry | undefined => {
    const key = Buffer.from(wanted);
    let page = readRoot();
    let place = ROOT;
    for (let depth = 0; !page.isLeaf; depth += 1) {
      refuseDepth(page, depth);
      const child = childAt(page, Math.max(lastUpTo(page, key), 0), place);
      place = child.place;
      page = pages.page(child.number, place);
    }
    const index = lastUpTo(page, key);
    return index >= 0 && keyAt(page, index).equals(key)
      ? entryAt(pages, page, index)
      : undefined;
  };
  return {
    get: (key) => {
      const entry = find(key);
      if (entry?.kind === "bucket") throw new BoltError(otherKind(key, entry));
      return entry?.value;
    },
    bucket: (key) => {
      const entry = find(key);
      if (entry?.kind === "value") throw new BoltError(otherKind(key, entry));
      return entry?.bucket;
    },
    each: (from, visit) => {
      const key = Buffer.from(from);
      const walk = (
        page: BoltPage,
        place: PagePlace,
        depth: number,
      ): boolean => {
        refuseDepth(page, depth);
        const first = lastUpTo(page, key);
        for (let index = Math.max(first, 0); index < page.count; index += 1) {
          if (page.isLeaf) {
            const found = keyAt(page, index);
            if (found.compare(key) < 0) continue;
            if (!visit(found, entryAt(pages, page, index))) return false;
            continue;
          }
          const child = childAt(page, index, place);
          const below = pages.page(child.number, child.place);
          if (!walk(below, child.place, depth + 1)) return false;
        }
        return true;
      };
      walk(readRoot(), ROOT, 0);
    },
    readPages: () => {
      readBelow(pages, readRoot(), ROOT, 0);
    },
  };
}

function readBelow(
  pages: BoltPages,
  page: BoltPage,
  place: PagePlace,
  depth: number,
): void {
  refuseDepth(page, depth);
  if (page.isLeaf) return;
  for (let index = 0; index < page.count; index += 1) {
    const child = childAt(page, index, place);
    const below = pages.page(child.number, child.place);
    readBelow(pages, below, child.place, depth + 1);
  }
}

function entryAt(pages: BoltPages, page: BoltPage, index: number): BoltEntry {
  const { kind, value } = valueAt(page, index);
  if (kind === "value") return { kind, value };
  const root = page.pointers[index] ?? 0;
  if (root !== 0) {
    return { kind, bucket: bucketOf(pages, () => pages.page(root, ROOT)) };
  }
  const name = `${page.name}, element ${String(index)}`;
  const readInline = () => {
    // A copy, so that it begins where numbers may.
    const bytes = Buffer.from(value.subarray(BUCKET_HEADER_BYTES));
    return checkPage(name, bytes, pages.pageBytes, INLINE);
  };
  let inline: BoltPage | undefined;
  return {
    kind,
    bucket: bucketOf(pages, () => (inline ??= readInline())),
  };
}

function otherKind(key: Buffer | string, { kind }: BoltEntry): string {
  return `${JSON.stringify(shorten(key.toString()))} is a ${kind}, in a place for ${kind === "value" ? "buckets" : "values"}`;
}

function refuseDepth({ name }: BoltPage, depth: number): void {
  if (depth > MAX_DEPTH) throw new BoltError(`${name} is too deep in it`);
}

/** The bucket at the end of a path of buckets. @throws BoltError */
export function bucketAt(
  from: BoltBucket | undefined,
  names: readonly string[],
): BoltBucket | undefined {
  return names.reduce<BoltBucket | undefined>(
    (bucket, name) => bucket?.bucket(name),
    from,
  );
}

/** The names of the buckets in a bucket. @throws BoltError */
export function listBuckets(bucket: BoltBucket | undefined): string[] {
  const names: string[] = [];
  bucket?.each("", (key, entry) => {
    if (entry.kind === "bucket") names.push(key.toString("utf8"));
    return true;
  });
  return names;
}
