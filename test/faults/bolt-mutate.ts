import type { Random } from "../../fixtures/random.ts";
import type { ByteMap } from "./bolt-bytes.ts";

/** A database of which mutants are made, in place. */
export interface Original {
  readonly name: string;
  /** Is changed and put back. */
  readonly bytes: Buffer;
  readonly pristine: Buffer;
  /** The same database some transactions ago, where there is one. */
  readonly former: Buffer | undefined;
  readonly map: ByteMap;
}

export interface Mutant {
  /** What was done to it: "3 random bytes at 4711, ...". */
  readonly fault: string;
  readonly bytes: Buffer;
  /** The positions that are not what they were, those that were cut off not among them. */
  readonly changed: readonly number[];
  /** Whether pages or sectors in it are as bbolt wrote them, but at another time or for another place. */
  readonly isStale: boolean;
  readonly undo: () => void;
}

interface Change {
  readonly what: string;
  readonly ranges: readonly Range[];
  readonly isStale?: true;
}

type Range = readonly [from: number, to: number];
type Changer = (original: Original, random: Random) => Change;

const CHANGERS: readonly [Changer, ...Changer[]] = [
  (original, random) => {
    const at = pickUsed(original, random);
    const to = Math.min(original.bytes.length, at + 1 + random.below(8));
    for (let next = at; next < to; next += 1) {
      original.bytes[next] = random.below(256);
    }
    return { what: "random bytes", ranges: [[at, to]] };
  },
  (original, random) => {
    const at = pickUsed(original, random);
    const byte = original.bytes[at] ?? 0;
    original.bytes[at] = byte ^ (1 << random.below(8));
    return { what: "a bit", ranges: [[at, at + 1]] };
  },
  (original, random) => {
    const at = pickUsed(original, random);
    // A number that is one off, or another small one.
    original.bytes[at] = random.oneIn(2)
      ? (original.bytes[at] ?? 0) + random.pick([-1, 1])
      : random.below(64);
    return { what: "a byte", ranges: [[at, at + 1]] };
  },
  (original, random) => {
    const [from, to] = [pickPage(original, random), pickPage(original, random)];
    copyPage(original, from, to);
    copyPage(original, to, from);
    return {
      what: "pages swapped",
      ranges: [pageRange(original, from), pageRange(original, to)],
    };
  },
  (original, random) => {
    const [from, to] = [pickPage(original, random), pickPage(original, random)];
    copyPage(original, from, to);
    return { what: "a page copied", ranges: [pageRange(original, to)] };
  },
  (original, random) => {
    const [from, to] = [pickPage(original, random), pickPage(original, random)];
    copyPage(original, from, to);
    const range = pageRange(original, to);
    original.bytes.writeBigUInt64LE(BigInt(to), range[0]);
    return {
      what: "a page copied and numbered anew",
      ranges: [range],
      isStale: true,
    };
  },
  (original, random) => zero(original, random, 512),
  (original, random) => zero(original, random, 4096),
  (original, random) => makeStale(original, random),
];

function pageRange({ map: { pageBytes } }: Original, page: number): Range {
  return [page * pageBytes, (page + 1) * pageBytes];
}

function copyPage(original: Original, from: number, to: number): void {
  const [start, end] = pageRange(original, from);
  const [target] = pageRange(original, to);
  original.pristine.copy(original.bytes, target, start, end);
}

function zero(original: Original, random: Random, size: 512 | 4096): Change {
  const at = pickUsed(original, random) & ~(size - 1);
  const to = Math.min(at + size, original.bytes.length);
  original.bytes.fill(0, at, to);
  return { what: `${String(size)} bytes zeroed`, ranges: [[at, to]] };
}

/** As it was some transactions ago: a write that never reached the disk. */
function makeStale({ bytes, former, map }: Original, random: Random): Change {
  const used = map.used[random.below(map.used.length)] ?? 0;
  const size = random.pick([map.pageBytes, map.pageBytes, 512]);
  const at = used - (used % size);
  former?.copy(bytes, at, at, at + size);
  return {
    what: `${String(size)} bytes as they were`,
    ranges: [[at, at + size]],
    isStale: true,
  };
}

/** Makes a mutant; the next one only after its `undo`. */
export function mutate(original: Original, random: Random): Mutant {
  const { bytes, pristine } = original;
  const changes = Array.from(
    { length: random.oneIn(4) ? 2 + random.below(4) : 1 },
    () => random.pick(CHANGERS)(original, random),
  );
  const faults = changes.map(
    ({ what, ranges }) =>
      `${what} at ${ranges.map(([from]) => String(from)).join(" and ")}`,
  );
  let length = bytes.length;
  if (random.oneIn(12)) {
    length = random.below(bytes.length);
    if (random.oneIn(2)) length -= length % original.map.pageBytes;
    faults.push(`cut off at ${String(length)}`);
  }
  const ranges = changes.flatMap((change) => change.ranges);
  const changed: number[] = [];
  for (const [from, to] of ranges) {
    for (let at = from; at < Math.min(to, length); at += 1) {
      if (bytes[at] !== pristine[at]) changed.push(at);
    }
  }
  return {
    fault: `${original.name}: ${faults.join(", ")}`,
    bytes: bytes.subarray(0, length),
    changed,
    isStale: changes.some(({ isStale }) => isStale),
    undo: () => {
      for (const [from, to] of ranges) pristine.copy(bytes, from, from, to);
    },
  };
}

/** Mostly a byte that is used for something. */
function pickUsed({ bytes, map }: Original, random: Random): number {
  return random.oneIn(12)
    ? random.below(bytes.length)
    : (map.used[random.below(map.used.length)] ?? 0);
}

/** The number of a page, mostly of one in use. */
function pickPage(original: Original, random: Random): number {
  return Math.floor(pickUsed(original, random) / original.map.pageBytes);
}
