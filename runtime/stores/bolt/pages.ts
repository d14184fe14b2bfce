import { BoltError, readNumber, type BoltFile, type BoltMeta } from "./meta.ts";
import { checkPage, type BoltPage, type PagePlace } from "./page.ts";

/** The pages of a database's trees. */
export interface BoltPages {
  readonly pageBytes: number;
  /**
   * Each page is read once, and kept.
   * @throws BoltError where it is no page of a tree, or breaks a rule of them
   */
  readonly page: (number: number, place: PagePlace) => BoltPage;
}

/** What is read of one database at most: enough for sixty thousand images, which have a page each. */
const MAX_READ_BYTES = 2 ** 28;

/** No element's number: the page goes on from one before. */
const CONTINUED = 0xffff;

export function createPages(file: BoltFile, meta: BoltMeta): BoltPages {
  const { pageBytes } = meta;
  const count = Math.min(
    meta.highWater,
    Math.floor(file.sizeBytes() / pageBytes),
  );
  const known = new Map<number, BoltPage>();
  const claims = new Float64Array(count);
  let readBytes = 0;

  /** Each page has one place, that of the element that points at it, or of the page that it continues. */
  const claim = (number: number, holder: number, index: number) => {
    // What is past the end is an error only for who follows it.
    if (number >= count) return;
    const place = placeOf(holder, index);
    if ((claims[number] ?? 0) !== 0 && claims[number] !== place) {
      throw new BoltError(`${nameOf(number)} is in it twice`);
    }
    claims[number] = place;
  };
  const claimPointers = (number: number, { pointers, isLeaf }: BoltPage) => {
    const firstPlace = placeOf(number, 0);
    for (let index = 0; index < pointers.length; index += 1) {
      const target = pointers[index] ?? 0;
      if (target === 0 && isLeaf) continue;
      // Nearly always: not a call for each of ten thousand images.
      if (claims[target] === 0) claims[target] = firstPlace + index;
      else claim(target, number, index);
    }
  };
  const allocate = (number: number, pages: number): Buffer => {
    readBytes += pages * pageBytes;
    if (readBytes > MAX_READ_BYTES) {
      throw new BoltError(
        `${nameOf(number)} and what was read before are larger than makes sense`,
      );
    }
    return Buffer.allocUnsafe(pages * pageBytes);
  };
  const load = (number: number): Buffer => {
    if (number < 2 || number >= count) {
      throw new BoltError(`${nameOf(number)} is past its end (cut off?)`);
    }
    const first = allocate(number, 1);
    file.read(first, number * pageBytes);
    if (readNumber(first, 0) !== number) {
      throw new BoltError(`${nameOf(number)} says that it is another one`);
    }
    const more = first.readUInt32LE(12);
    if (more === 0) return first;
    if (number + more >= count) {
      throw new BoltError(`${nameOf(number)} goes past its end (cut off?)`);
    }
    for (let next = 1; next <= more; next += 1) {
      claim(number + next, number, CONTINUED);
    }
    const all = allocate(number, 1 + more);
    first.copy(all);
    file.read(all.subarray(pageBytes), (number + 1) * pageBytes);
    return all;
  };
  claim(meta.root, 0, 0);
  return {
    pageBytes,
    page: (number, place) => {
      const former = known.get(number);
      if (former !== undefined) return former;
      const page = checkPage(nameOf(number), load(number), pageBytes, place);
      claimPointers(number, page);
      known.set(number, page);
      return page;
    },
  };
}

/** A number for each element, and 0 for none. */
function placeOf(holder: number, index: number): number {
  return holder * (CONTINUED + 1) + index + 1;
}

function nameOf(number: number): string {
  return `page ${String(number)}`;
}
