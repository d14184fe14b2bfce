import { BoltError, readPgid, type BoltFile, type Meta } from "./meta.ts";
import { parsePage, type BoltPage, type KeyRange } from "./page.ts";

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
      throw new BoltError(`${nameOf(pgid)} is in it twice`);
    }
    this.#claimed[pgid] = 1;
  }

  #load(pgid: number): Buffer {
    if (pgid < 2 || pgid >= this.#count) {
      throw new BoltError(`${nameOf(pgid)} is past its end (cut off?)`);
    }
    const first = this.#allocate(pgid, 1);
    this.#file.read(first, pgid * this.pageSize);
    if (readPgid(first, 0) !== pgid) {
      throw new BoltError(`${nameOf(pgid)} says that it is another one`);
    }
    const overflow = first.readUInt32LE(12);
    if (overflow === 0) return first;
    if (pgid + overflow >= this.#count) {
      throw new BoltError(`${nameOf(pgid)} goes past its end (cut off?)`);
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
        `${nameOf(pgid)} and what was read before exceed the limit`,
      );
    }
    return Buffer.allocUnsafe(pages * this.pageSize);
  }
}

function nameOf(pgid: number): string {
  return `page ${String(pgid)}`;
}
