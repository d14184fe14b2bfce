// runner: tier=first seconds=6 whole=42
import t from "tap";
import { createRandom, type Random } from "../../fixtures/random.ts";
import { BootError } from "../../runtime/base/errors.ts";
import { parseImageReference } from "../../runtime/images/image-ref.ts";
import { BoltError, type BoltFile } from "../../runtime/stores/bolt/meta.ts";
import { openBolt, type BoltBucket } from "../../runtime/stores/bolt/bolt.ts";
import { openStore } from "../../runtime/stores/open-store.ts";
import { asFile, readDatabases } from "../unit/stores/bolt-databases.ts";
import {
  capturedImages,
  META,
  openMemoryStore,
  readCaptured,
  SNAPSHOTTER,
} from "../unit/stores/memory-store.ts";
import { mapBytes, type ByteKind, type ByteMap } from "./bolt-bytes.ts";
import { mutate, type Mutant, type Original } from "./bolt-mutate.ts";
import { isWholeTier, sampleSeed } from "../tier.ts";
import { isWholeCampaign, wantedFaults } from "./campaign.ts";
import { createTally } from "./tally.ts";

// Damages databases that a real containerd and bbolt wrote, in memory, and reads each mutant twice: the
// reader alone goes through all keys, and an image is looked up through the whole path. Each has to
// answer what it answers for the whole file, or to fail with an error of its own kind; it reads no more
// than the file is large.
//
// What no reader can find out, for nothing in the file tells of it (nothing but the meta pages has a
// checksum):
//
// - A page, or a sector of one, that is as bbolt wrote it at another time: a write that never reached
//   the disk, in a place where what was there before keeps to all rules. So does a page that is copied
//   to where another one belongs, with that one's number.
// - A pointer to a page that is free now, and holds what it held before.
// - A pointer to a page that belongs further below: the pages between are missing, which the freelist
//   alone would tell.
// - A newer meta page that is not whole: then the former transaction counts, as the format wants it, and
//   of its pages what is said here.
// - The bytes of keys, as long as they stay in order, and of values, for who goes through all keys. Who
//   looks up an image gets no other answer by them: a name that is not as it was is not found; digests,
//   chain IDs and the snapshots' names and IDs are there twice, or in what has a digest. But who looks
//   up a name that no image has could find one by it.

const SEED = 6;

const MUTANTS = 100_000;

/** In the first tier, made with the sample's seed. */
const SAMPLE = 10_000;

/** Of the kinds of bytes; what else changes must not go unnoticed. */
const UNCHECKED: readonly ByteKind[] = [
  "key",
  "value",
  "last sizes",
  "element kind",
];

/** Readers of one database that a look-up opens, each for a try. */
const MAX_OPENED = 8;

/** In a listing, around what is in a bucket. */
const BEGIN = Buffer.from("{");

const END = Buffer.from("}");

const store = openMemoryStore();

const names = capturedImages().map(({ name, id }) =>
  name.startsWith("<none>") ? id : name,
);

const references: [string, ...string[]] = ["gone:1", "many:2", ...names];

interface Subject extends Original {
  /** Where it is in the store; `undefined` for one that is no containerd's. */
  readonly file: string | undefined;
  readonly listing: readonly Buffer[];
  readonly formerListing: readonly Buffer[];
  /** What each byte is for where the former transaction counts. */
  readonly formerMap: ByteMap;
  readonly answers: ReadonlyMap<string, string>;
  readonly formerAnswers: ReadonlyMap<string, string>;
}

// Most mutants end in an error; where those come from is of no interest.
Error.stackTraceLimit = 0;

// Millions of pages are read: Node takes the room for many at once.
Buffer.poolSize = 2 ** 20;

await t.test("no mutant of a database is believed", (t) => {
  const seed = isWholeTier() ? SEED : sampleSeed();
  const random = createRandom(seed);
  const [last, former] = [readCaptured("last"), readCaptured("former")];
  const meta = subject("meta.db", last.meta, former.meta, META);
  const snapshotter = subject(
    "metadata.db",
    last.snapshotter,
    former.snapshotter,
    SNAPSHOTTER,
  );
  const others = readDatabases()
    .filter(({ bytes }) => bytes.length <= 600_000)
    .map(({ name, bytes }) => subject(name, bytes, undefined, undefined));
  const tally = createTally();
  const counts = { refused: 0, same: 0, former: 0, unknowable: 0 };
  const bound = isWholeCampaign() ? MUTANTS : SAMPLE;
  const count = Math.max(bound, finite(wantedFaults()));
  let slowest = { ms: 0, fault: "none" };
  for (let number = 0; number < count; number += 1) {
    const chosen = random.oneIn(10)
      ? random.pick(others as [Subject, ...Subject[]])
      : random.oneIn(3)
        ? snapshotter
        : meta;
    const mutant = mutate(chosen, random);
    const start = performance.now();
    const problems = [
      judgeListing(chosen, mutant, counts),
      chosen.file === undefined
        ? undefined
        : judgeAnswer(chosen, mutant, chosen.file, random),
    ];
    const ms = performance.now() - start;
    if (ms > slowest.ms) slowest = { ms, fault: mutant.fault };
    mutant.undo();
    tally.count(
      t,
      `mutant ${String(number)}, ${mutant.fault}`,
      problems.find((problem) => problem !== undefined),
    );
  }
  t.comment(`the reader alone: ${JSON.stringify(counts)}`);
  t.comment(`the slowest took ${slowest.ms.toFixed(1)} ms (${slowest.fault})`);
  tally.record(
    t,
    "bolt mutations",
    `seed ${String(seed)}`,
    `${String(counts.refused)} refused`,
    `${String(counts.unknowable)} nobody could know`,
  );
  t.end();
});

function subject(
  name: string,
  pristine: Buffer,
  former: Buffer | undefined,
  file: string | undefined,
): Subject {
  const map = mapBytes(pristine);
  const bytes = Buffer.from(pristine);
  // Without its newer meta page it is as it was a transaction ago.
  const before = Buffer.from(pristine);
  for (let at = 0; at < 2 * map.pageBytes; at += 1) {
    if (map.kindAt(at) === "newer meta") before[at] = 0;
  }
  const answersOf = (content: Buffer) =>
    new Map(
      references.map((reference) => [
        reference,
        file === undefined ? "" : lookUp(file, asFile(content), reference),
      ]),
    );
  return {
    ...{ name, bytes, pristine, former, map, file },
    listing: listAll(asFile(pristine)),
    formerListing: listAll(asFile(before)),
    formerMap: mapBytes(before, map.pageBytes),
    answers: answersOf(pristine),
    formerAnswers: answersOf(before),
  };
}

t.test("a database cut off at any page's end or middle", (t) => {
  for (const { name, bytes, pageSize } of readDatabases()) {
    const whole = subject(name, bytes, undefined, undefined);
    const counts = { refused: 0, same: 0, former: 0, unknowable: 0 };
    const step = Math.max(1, Math.floor(bytes.length / pageSize / 80)) / 2;
    for (let page = 0; page * pageSize < bytes.length;) {
      const cut = bytes.subarray(0, page * pageSize);
      const fault = `${name} cut off at page ${String(page)}`;
      const mutant = { fault, bytes: cut, changed: [], isStale: false };
      const problem = judgeListing(whole, mutant, counts);
      if (problem !== undefined) t.fail(`${fault}: ${problem}`);
      page += page < 20 ? 0.5 : step;
    }
    t.ok(counts.refused > 0, `${name}: ${JSON.stringify(counts)}`);
  }
  t.end();
});

t.test("no snapshot is taken for another by its number", (t) => {
  const { snapshotter } = readCaptured("last");
  const places = findIds(snapshotter);
  const ids = places.map((at) => snapshotter[at] ?? 0);
  const whole = references.map((reference) =>
    lookUp(SNAPSHOTTER, asFile(snapshotter), reference),
  );
  let wrong = 0;
  for (const at of places) {
    for (const id of ids) {
      const changed = Buffer.from(snapshotter);
      changed[at] = id;
      for (const [index, reference] of references.entries()) {
        const answer = lookUp(SNAPSHOTTER, asFile(changed), reference);
        if (answer !== whole[index] && !answer.startsWith("error ")) wrong += 1;
      }
    }
  }
  t.ok(places.length > 10, `${String(places.length)} numbers changed`);
  t.equal(wrong, 0);
  t.end();
});

/** Where the snapshots' numbers are: values of one byte, after a key that is "id". */
function findIds(bytes: Buffer): number[] {
  const { kindAt, used } = mapBytes(bytes);
  return used.filter(
    (at) =>
      kindAt(at) === "value" &&
      kindAt(at + 1) === "key" &&
      kindAt(at - 3) === "value" &&
      bytes.toString("latin1", at - 2, at) === "id" &&
      kindAt(at - 1) === "key",
  );
}

/** The reader alone, over all keys. @returns what is wrong */
function judgeListing(
  chosen: Subject,
  mutant: Omit<Mutant, "undo">,
  counts: { refused: number; same: number; former: number; unknowable: number },
): string | undefined {
  const file = countReads(mutant.bytes);
  let listing;
  try {
    listing = listAll(file);
  } catch (error) {
    if (!(error instanceof BoltError)) return describe(error);
    counts.refused += 1;
    return file.problem();
  }
  if (isSame(listing, chosen.listing)) counts.same += 1;
  else if (
    hasLostNewerMeta(chosen, mutant) &&
    isSame(listing, chosen.formerListing)
  ) {
    counts.former += 1;
  } else if (isUnknowable(chosen, mutant)) counts.unknowable += 1;
  else
    return `other keys, by a change of ${kindsOf(chosen, mutant).join(", ")}`;
  return file.problem();
}

/** Whether what was read may differ, by the kinds of the bytes that did. */
function isUnknowable(chosen: Subject, mutant: Omit<Mutant, "undo">): boolean {
  const { isLive, isBelow } = mapThatCounts(chosen, mutant);
  const pointers = changedPointers(chosen, mutant);
  if (
    mutant.isStale ||
    pointers.some(({ now, before }) => !isLive(now) || isBelow(now, before))
  ) {
    return true;
  }
  const kinds = new Set(kindsOf(chosen, mutant));
  // Where a bucket has become a value, pages are not read that were.
  const isReadWhole = !kinds.has("element kind");
  return (
    UNCHECKED.some((kind) => kinds.has(kind)) &&
    !(isReadWhole && kinds.has("structure"))
  );
}

/** Whether one of the pointers leads to a page that is not part of the tree. */
function hasStalePointer(
  chosen: Subject,
  mutant: Omit<Mutant, "undo">,
): boolean {
  const { isLive } = mapThatCounts(chosen, mutant);
  return changedPointers(chosen, mutant).some(({ now }) => !isLive(now));
}

function changedPointers(
  chosen: Subject,
  mutant: Omit<Mutant, "undo">,
): { readonly now: number; readonly before: number }[] {
  const { kindAt } = mapThatCounts(chosen, mutant);
  return mutant.changed.flatMap((at) => {
    if (kindAt(at) !== "pointer") return [];
    let start = at;
    // What is before and after it is of another kind.
    while (kindAt(start - 1) === "pointer") start -= 1;
    if (start + 8 > mutant.bytes.length) return [];
    const [now, before] = [mutant.bytes, chosen.pristine].map((bytes) =>
      Number(bytes.readBigUInt64LE(start)),
    ) as [number, number];
    return { now, before };
  });
}

/** By the transaction that is the last one in the mutant. */
function mapThatCounts(chosen: Subject, mutant: Omit<Mutant, "undo">): ByteMap {
  return hasLostNewerMeta(chosen, mutant) ? chosen.formerMap : chosen.map;
}

function hasLostNewerMeta(
  { map }: Subject,
  { changed }: Omit<Mutant, "undo">,
): boolean {
  return changed.some((at) => map.kindAt(at) === "newer meta");
}

/** The whole path, for one reference. @returns what is wrong */
function judgeAnswer(
  chosen: Subject,
  mutant: Mutant,
  name: string,
  random: Random,
): string | undefined {
  const reference = random.pick(references);
  const file = countReads(mutant.bytes, MAX_OPENED);
  let answer;
  try {
    answer = lookUp(name, file, reference);
  } catch (error) {
    return describe(error);
  }
  const problem = file.problem();
  if (problem !== undefined) return problem;
  const whole = chosen.answers.get(reference);
  if (answer === whole || answer.startsWith("error ")) return undefined;
  if (
    hasLostNewerMeta(chosen, mutant) &&
    answer === chosen.formerAnswers.get(reference)
  ) {
    return undefined;
  }
  if (mutant.isStale || hasStalePointer(chosen, mutant)) return undefined;
  return `${reference}: ${answer}, by a change of ${kindsOf(chosen, mutant).join(", ")}`;
}

/** What a store with that file in it answers; the beginning is "error" where it refuses. */
function lookUp(name: string, file: BoltFile, reference: string): string {
  const { host } = store.location;
  const location = {
    ...store.location,
    host: {
      ...host,
      files: {
        ...host.files,
        withFile: <T>(
          place: string,
          maxBytes: number,
          work: (opened: BoltFile) => T,
        ) =>
          place.endsWith(name)
            ? work(file)
            : host.files.withFile(place, maxBytes, work),
      },
    },
  };
  try {
    const found = openStore(location).findRoot(parseImageReference(reference));
    return `${found.id} ${found.source}`;
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    if (error.hint === undefined) throw error;
    return `error ${error.code}`;
  }
}

/** All keys and values, in their order, with the ends of buckets between. */
function listAll(file: BoltFile): Buffer[] {
  const all: Buffer[] = [];
  const list = (bucket: BoltBucket) => {
    for (const entry of bucket.entries()) {
      all.push(entry.key);
      if (entry.kind === "value") all.push(entry.value);
      else {
        all.push(BEGIN);
        list(entry.bucket);
        all.push(END);
      }
    }
  };
  list(openBolt(file).root);
  return all;
}

function isSame(list: readonly Buffer[], other: readonly Buffer[]): boolean {
  return (
    list.length === other.length &&
    list.every((part, index) => other[index]?.equals(part))
  );
}

function kindsOf(chosen: Subject, mutant: Omit<Mutant, "undo">): ByteKind[] {
  const { kindAt } = mapThatCounts(chosen, mutant);
  return [...new Set(mutant.changed.map(kindAt))];
}

/** Counts what is read of a file. @param opened how often it may be opened */
function countReads(
  bytes: Buffer,
  opened = 1,
): BoltFile & { problem: () => string | undefined } {
  const file = asFile(bytes);
  /** The places where the second meta page may be, and both once more. */
  const metas = 24;
  let reads = 0;
  let readBytes = 0;
  return {
    ...file,
    read: (into, position) => {
      reads += 1;
      readBytes += into.length;
      file.read(into, position);
    },
    problem: () =>
      readBytes > opened * (bytes.length + metas * 64) ||
      reads > opened * (bytes.length / 512 + metas)
        ? `${String(reads)} reads of ${String(readBytes)} bytes, of ${String(bytes.length)}`
        : undefined,
  };
}

function describe(error: unknown): string {
  return error instanceof Error
    ? (error.stack ?? error.message)
    : String(error);
}

function finite(number: number | undefined): number {
  return number !== undefined && Number.isFinite(number) ? number : 0;
}
