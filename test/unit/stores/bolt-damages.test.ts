import t from "tap";
import type { BoltFile } from "../../../runtime/stores/bolt/meta.ts";
import { openBolt } from "../../../runtime/stores/bolt/bolt.ts";
import { asFile, listBucket, refuses } from "./bolt-databases.ts";
import {
  PAGE,
  writeDatabase,
  writeMeta,
  type Part,
} from "../../../fixtures/bolt-writer.ts";

// Databases that bbolt never writes: each is refused, and the message says why. What is damaged at random is
// test/faults/bolt-mutations.test.ts.

const a: Part = { key: "a", value: "1" };

const b: Part = { key: "b", value: "2" };

const c: Part = { key: "c", value: "3" };

const toChild = (key: string, child: number): Part => ({ key, child });

const toRoot = (key: string, root: number): Part => ({ key, root });

const pages = (...all: readonly (readonly Part[])[]) => writeDatabase(all);

/** @param at of a u32 in the page: 0 id, 8 flags and count, 12 overflow, 16 the first element */
function patch(bytes: Buffer, page: number, at: number, value: number): Buffer {
  bytes.writeUInt32LE(value, page * PAGE + at);
  return bytes;
}

function makeTooLongInline(): Buffer {
  const bytes = pages([{ key: "a", inline: [b] }]);
  return patch(bytes, 2, 28, bytes.readUInt32LE(2 * PAGE + 28) + 1);
}

const PLACE_0 = "page 2: the data of element 0 is not in its place";

const NO_META = "neither of its two meta pages is valid (cut off?)";

/** The message, and what is refused with it. */
const damages: Readonly<Record<string, Readonly<Record<string, Buffer>>>> = {
  "page 2 is used twice": {
    "a branch that points at itself": pages([toChild("a", 2)]),
    "two branches that point at each other": pages(
      [toChild("a", 3)],
      [toChild("a", 2)],
    ),
    "a bucket that is all of the database": pages([toRoot("a", 2)]),
  },
  "page 3 is used twice": {
    "two keys of a branch with the same page": pages(
      [toChild("a", 3), toChild("b", 3)],
      [a],
    ),
    "two buckets with the same page": pages(
      [toRoot("a", 3), toRoot("b", 3)],
      [a],
    ),
    "a bucket that is in itself": pages([toRoot("a", 3)], [toRoot("a", 3)]),
  },
  "page 4 is used twice": {
    "a bucket on a page that continues another": pages(
      [toRoot("a", 3), toRoot("b", 4)],
      [{ key: "a", value: Buffer.alloc(2 * PAGE, 1) }],
    ),
  },
  "page 2 is longer than its elements": {
    "an overflow that nothing needs": patch(pages([a], [b], [c]), 2, 12, 2),
  },
  "page 3 is longer than its elements": {
    "a page that goes on in the next one": patch(
      pages([toRoot("a", 3)], [a], [b]),
      3,
      12,
      1,
    ),
  },
  "page 2 extends past the end of the file (cut off?)": {
    "an overflow past the end": patch(pages([a]), 2, 12, 0xffffffff),
  },
  "page 2 has the number of another page": {
    "a page with another's number": patch(pages([a]), 2, 0, 3),
  },
  "page 1099511627776 is past the end of the file (cut off?)": {
    "a root past the end": writeDatabase([[a]], 2 ** 40),
  },
  "page 3 is past the end of the file (cut off?)": {
    "a bucket past the end": pages([a, toRoot("b", 3)]),
  },
  "page 1 is past the end of the file (cut off?)": {
    "a root that is a meta page": writeDatabase([[a]], 1),
  },
  "page 2 is past the end of the file (cut off?)": {
    "a transaction without pages": writeMeta(0, { root: 2, pgid: 0 }),
  },
  "page 2 is neither a branch nor a leaf page": {
    "a page of another kind": patch(pages([a]), 2, 8, 0x10010),
  },
  [PLACE_0]: {
    "more elements than there is room for": patch(pages([a]), 2, 8, 0xffff0002),
    "fewer elements than there are": patch(pages([a, b]), 2, 8, 0x10002),
    "an element that points out of its page": patch(
      pages([a]),
      2,
      20,
      0x7fffffff,
    ),
    "an element that points at its page's head": patch(pages([a]), 2, 20, 0),
    "a key that is longer than its page": patch(pages([a]), 2, 24, 0xffffffff),
    "a value that is longer than its page": patch(
      pages([a]),
      2,
      28,
      0xffffffff,
    ),
  },
  "page 2: the data of element 1 is not in its place": {
    "two elements with the same key's bytes": patch(pages([a, b]), 2, 36, 14),
  },
  "page 2 has data after its last element": {
    "no elements where there are some": patch(pages([a, b]), 2, 8, 0x2),
  },
  "page 2 is empty": { "an empty branch": patch(pages([]), 2, 8, 0x1) },
  "page 3 is empty": {
    "an empty leaf below a branch": pages([toChild("a", 3)], []),
  },
  "page 2: key 1 is out of order": {
    "keys that are not in order": pages([b, a]),
    "a key that is there twice": pages([a, a]),
  },
  "page 2: key 0 is out of order": {
    "an empty key": pages([{ key: "", value: "1" }]),
  },
  "page 3: key 0 is out of order": {
    "a key before what its branch says": pages([toChild("b", 3)], [a, b]),
  },
  "page 3: its last key is out of order": {
    "a key after what its branch says": pages(
      [toChild("a", 3), toChild("b", 4)],
      [a, b],
      [c],
    ),
  },
  "page 2: element 0 is neither a value nor a bucket": {
    "an element of no kind": patch(pages([a]), 2, 16, 2),
    "a bucket without room for its head": patch(pages([a]), 2, 16, 1),
  },
  "page 2, element 0: element 0 is a bucket where a value belongs": {
    "a bucket in a bucket's value": pages([
      { key: "a", inline: [{ key: "b", inline: [c] }] },
    ]),
  },
  "page 2, element 0 is a branch page where a leaf page belongs": {
    "a branch in a bucket's value": pages(
      [{ key: "a", inline: [toChild("b", 3)] }],
      [c],
    ),
  },
  "page 2, element 0 is longer than its elements": {
    "a bucket's value that goes on behind its page": makeTooLongInline(),
  },
  "page 67 is too deep in the tree": {
    "a tree that is deeper than any": pages(
      ...Array.from({ length: 70 }, (_, index) => [toChild("a", index + 3)]),
      [a],
    ),
  },
  [NO_META]: {
    "an empty file": Buffer.alloc(0),
    "pages of a size that bbolt has not": writeMeta(
      1,
      { root: 2, pgid: 4 },
      3000,
    ),
  },
};

for (const [message, cases] of Object.entries(damages)) {
  for (const [what, bytes] of Object.entries(cases)) {
    t.test(`${what} is refused`, (t) => {
      refuses(t, () => listAll(bytes), message);
      t.end();
    });
  }
}

t.test("what is written here as bbolt writes it is read", (t) => {
  const whole = pages(
    [toChild("a", 3), toChild("c", 4)],
    [a, { key: "b", inline: [a, b] }],
    [toRoot("c", 5)],
    [a, { key: "b", value: Buffer.alloc(3 * PAGE, 1) }],
  );
  t.equal(listAll(whole).length, 3);
  t.end();
});

t.test("a file of 2 GiB that is mostly holes is not read", (t) => {
  // One page that says it is as long as all of it.
  const pgid = 2 ** 21;
  const page = patch(pages([a]).subarray(2 * PAGE), 0, 12, pgid - 4);
  const meta = { root: 2, pgid };
  const start = Buffer.concat([writeMeta(0, meta), writeMeta(1, meta), page]);
  let readBytes = 0;
  const file: BoltFile = {
    sizeBytes: () => pgid * PAGE,
    read: (into, position) => {
      readBytes += into.length;
      into.fill(0);
      start.copy(into, 0, position);
    },
  };
  refuses(
    t,
    () => listBucket(openBolt(file).root),
    /^page 2 would exceed the limit on what is read of one file$/,
  );
  t.ok(readBytes < 10 * PAGE, `${String(readBytes)} bytes read`);
  t.end();
});

t.test("65534 keys in a page are read", (t) => {
  const parts = Array.from({ length: 65534 }, (_, index) => ({
    key: String(index).padStart(5, "0"),
    value: "",
  }));
  t.equal(listAll(pages(parts)).length, 65534);
  t.end();
});

function listAll(bytes: Buffer) {
  return listBucket(openBolt(asFile(bytes)).root);
}
