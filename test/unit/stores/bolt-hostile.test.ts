import t, { type Test } from "tap";
import { BoltError, type BoltFile } from "../../../runtime/stores/bolt/meta.ts";
import { openBolt } from "../../../runtime/stores/bolt/bolt.ts";
import { asFile, listBucket } from "./bolt-databases.ts";
import {
  PAGE,
  writeDatabase,
  writeMeta,
  type Part,
} from "../../../fixtures/bolt-writer.ts";

// Databases that bbolt never writes: each is refused, and says why.

const a: Part = { key: "a", value: "1" };

const b: Part = { key: "b", value: "2" };

const c: Part = { key: "c", value: "3" };

t.test("what is written here as bbolt writes it is read", (t) => {
  const whole = writeDatabase([
    [
      { key: "a", child: 3 },
      { key: "c", child: 4 },
    ],
    [a, { key: "b", inline: [a, b] }],
    [{ key: "c", root: 5 }],
    [a, { key: "b", value: Buffer.alloc(3 * PAGE, 1) }],
  ]);
  t.equal(listAll(whole).length, 3);
  t.end();
});

const cases: readonly [what: string, bytes: () => Buffer, message: RegExp][] = [
  [
    "a branch that points at itself",
    () => writeDatabase([[{ key: "a", child: 2 }]]),
    /^page 2 is in it twice$/,
  ],
  [
    "two branches that point at each other",
    () => writeDatabase([[{ key: "a", child: 3 }], [{ key: "a", child: 2 }]]),
    /^page 2 is in it twice$/,
  ],
  [
    "two keys of a branch with the same page",
    () =>
      writeDatabase([
        [
          { key: "a", child: 3 },
          { key: "b", child: 3 },
        ],
        [a],
      ]),
    /^page 3 is in it twice$/,
  ],
  [
    "two buckets with the same page",
    () =>
      writeDatabase([
        [
          { key: "a", root: 3 },
          { key: "b", root: 3 },
        ],
        [a],
      ]),
    /^page 3 is in it twice$/,
  ],
  [
    "a bucket that is in itself",
    () => writeDatabase([[{ key: "a", root: 3 }], [{ key: "a", root: 3 }]]),
    /^page 3 is in it twice$/,
  ],
  [
    "a bucket that is all of the database",
    () => writeDatabase([[{ key: "a", root: 2 }]]),
    /^page 2 is in it twice$/,
  ],
  [
    "a bucket on a page that continues another",
    () =>
      writeDatabase([
        [
          { key: "a", root: 3 },
          { key: "b", root: 4 },
        ],
        [{ key: "a", value: Buffer.alloc(2 * PAGE, 1) }],
      ]),
    /^page 4 is in it twice$/,
  ],
  [
    "a page that is longer than what is in it",
    () => patch(writeDatabase([[a], [b], [c]]), 2, 12, 2),
    /^page 2 is longer than what is in it$/,
  ],
  [
    "a page that goes on in the next one",
    () => patch(writeDatabase([[{ key: "a", root: 3 }], [a], [b]]), 3, 12, 1),
    /^page 3 is longer than what is in it$/,
  ],
  [
    "a page that goes on past the end",
    () => patch(writeDatabase([[a]]), 2, 12, 0xffffffff),
    /^page 2 goes past its end \(cut off\?\)$/,
  ],
  [
    "a page with another's number",
    () => patch(writeDatabase([[a]]), 2, 0, 3),
    /^page 2 says that it is another one$/,
  ],
  [
    "a root past the end",
    () => writeDatabase([[a]], 2 ** 40),
    /^page 1099511627776 is past its end/,
  ],
  [
    "a bucket past the end",
    () => writeDatabase([[a, { key: "b", root: 3 }]]),
    /^page 3 is past its end \(cut off\?\)$/,
  ],
  [
    "a root that is a meta page",
    () => writeDatabase([[a]], 1),
    /^page 1 is past its end/,
  ],
  [
    "a page of another kind",
    () => patch(writeDatabase([[a]]), 2, 8, 0x10010),
    /^page 2 is no page of a tree$/,
  ],
  [
    "more elements than there is room for",
    () => patch(writeDatabase([[a]]), 2, 8, 0xffff0002),
    /^page 2: what element 0 points at is not in its place$/,
  ],
  [
    "fewer elements than there are",
    () => patch(writeDatabase([[a, b]]), 2, 8, 0x10002),
    /^page 2: what element 0 points at is not in its place$/,
  ],
  [
    "no elements where there are some",
    () => patch(writeDatabase([[a, b]]), 2, 8, 0x2),
    /^page 2 goes on behind its last element$/,
  ],
  [
    "an empty branch",
    () => patch(writeDatabase([[]]), 2, 8, 0x1),
    /^page 2 is empty$/,
  ],
  [
    "an empty leaf below a branch",
    () => writeDatabase([[{ key: "a", child: 3 }], []]),
    /^page 3 is empty$/,
  ],
  [
    "keys that are not in order",
    () => writeDatabase([[b, a]]),
    /^page 2: key 1 is not in its order$/,
  ],
  [
    "a key that is there twice",
    () => writeDatabase([[a, a]]),
    /^page 2: key 1 is not in its order$/,
  ],
  [
    "an empty key",
    () => writeDatabase([[{ key: "", value: "1" }]]),
    /^page 2: key 0 is not in its order$/,
  ],
  [
    "a key before what its branch says",
    () => writeDatabase([[{ key: "b", child: 3 }], [a, b]]),
    /^page 3: key 0 is not in its order$/,
  ],
  [
    "a key after what its branch says",
    () =>
      writeDatabase([
        [
          { key: "a", child: 3 },
          { key: "b", child: 4 },
        ],
        [a, b],
        [c],
      ]),
    /^page 3: its last key is not in its order$/,
  ],
  [
    "an element that points out of its page",
    () => patch(writeDatabase([[a]]), 2, 20, 0x7fffffff),
    /^page 2: what element 0 points at is not in its place$/,
  ],
  [
    "an element that points at its page's head",
    () => patch(writeDatabase([[a]]), 2, 20, 0),
    /^page 2: what element 0 points at is not in its place$/,
  ],
  [
    "two elements with the same key's bytes",
    () => patch(writeDatabase([[a, b]]), 2, 36, 14),
    /^page 2: what element 1 points at is not in its place$/,
  ],
  [
    "a key that is longer than its page",
    () => patch(writeDatabase([[a]]), 2, 24, 0xffffffff),
    /^page 2: what element 0 points at is not in its place$/,
  ],
  [
    "a value that is longer than its page",
    () => patch(writeDatabase([[a]]), 2, 28, 0xffffffff),
    /^page 2: what element 0 points at is not in its place$/,
  ],
  [
    "an element of no kind",
    () => patch(writeDatabase([[a]]), 2, 16, 2),
    /^page 2: element 0 is neither a value nor a bucket$/,
  ],
  [
    "a bucket without room for its head",
    () => patch(writeDatabase([[a]]), 2, 16, 1),
    /^page 2: element 0 is neither a value nor a bucket$/,
  ],
  [
    "a bucket in a bucket's value",
    () => writeDatabase([[{ key: "a", inline: [{ key: "b", inline: [c] }] }]]),
    /^page 2, element 0: element 0 is a bucket, in a place for values$/,
  ],
  [
    "a branch in a bucket's value",
    () =>
      writeDatabase([[{ key: "a", inline: [{ key: "b", child: 3 }] }], [c]]),
    /^page 2, element 0 is a branch, in a place for leaves$/,
  ],
  [
    "a bucket's value that goes on behind its page",
    () => {
      const bytes = writeDatabase([[{ key: "a", inline: [b] }]]);
      return patch(bytes, 2, 28, bytes.readUInt32LE(2 * PAGE + 28) + 1);
    },
    /^page 2, element 0 is longer than what is in it$/,
  ],
  [
    "a tree that is deeper than any",
    () =>
      writeDatabase([
        ...Array.from({ length: 70 }, (_, index) => [
          { key: "a", child: index + 3 },
        ]),
        [a],
      ]),
    /^page 67 is too deep in it$/,
  ],
  ["an empty file", () => Buffer.alloc(0), /^neither of its two meta pages/],
  [
    "pages of a size that bbolt has not",
    () => writeMeta(1, { root: 2, pgid: 4 }, 3000),
    /^neither of its two meta pages/,
  ],
  [
    "a transaction without pages",
    () => writeMeta(0, { root: 2, pgid: 0 }),
    /^page 2 is past its end/,
  ],
];

for (const [what, bytes, message] of cases) {
  t.test(`${what} is refused`, (t) => {
    fails(t, () => listAll(bytes()), message);
    t.end();
  });
}

t.test("a file of 2 GiB that is mostly holes is not read", (t) => {
  // One page that says it is as long as all of it.
  const pgid = 2 ** 21;
  const page = patch(writeDatabase([[a]]).subarray(2 * PAGE), 0, 12, pgid - 4);
  const start = Buffer.concat([
    writeMeta(0, { root: 2, pgid }),
    writeMeta(1, { root: 2, pgid }),
    page,
  ]);
  let readBytes = 0;
  const file: BoltFile = {
    sizeBytes: () => pgid * PAGE,
    read: (into, position) => {
      readBytes += into.length;
      into.fill(0);
      start.copy(into, 0, position);
    },
  };
  fails(
    t,
    () => listBucket(openBolt(file).root),
    /^page 2 and what was read before exceed the limit$/,
  );
  t.ok(readBytes < 10 * PAGE, `${String(readBytes)} bytes read`);
  t.end();
});

t.test("65534 keys in a page are read", (t) => {
  const parts = Array.from({ length: 65534 }, (_, index) => ({
    key: String(index).padStart(5, "0"),
    value: "",
  }));
  t.equal(listAll(writeDatabase([parts])).length, 65534);
  t.end();
});

function listAll(bytes: Buffer) {
  return listBucket(openBolt(asFile(bytes)).root);
}

function patch(bytes: Buffer, page: number, at: number, value: number): Buffer {
  bytes.writeUInt32LE(value, page * PAGE + at);
  return bytes;
}

function fails(t: Test, work: () => unknown, message: RegExp): void {
  try {
    work();
    t.fail("was believed");
  } catch (error) {
    if (!(error instanceof BoltError)) throw error;
    t.match(error.message, message);
  }
}
