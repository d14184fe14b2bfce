import t from "tap";
import {
  aboutPath,
  ATTRIBUTE,
  BEGIN,
  COMMAND,
  END,
  sealCommand,
  writeCommand,
  writeSendStream,
  type WrittenCommand,
} from "../../../fixtures/send-stream-writer.ts";
import { createRandom } from "../../../fixtures/random.ts";
import { StreamError } from "../../../installer/diff/formats/send-stream.ts";
import { captured, readCandidates } from "./read-stream.ts";

const { stream } = captured;
const VERSION_AT = 13;

/** What a stream comes to; an error of another kind is a defect. */
function resultOf(bytes: Buffer, chunkBytes?: number): string {
  try {
    return JSON.stringify(
      readCandidates(bytes, chunkBytes).map(({ path, parts }) => [
        path,
        parts === "all" ? parts : [...parts],
      ]),
    );
  } catch (error) {
    if (error instanceof StreamError) return "refused";
    throw error;
  }
}

const whole = resultOf(stream);

t.test("a stream comes in pieces of any size", async (t) => {
  t.not(whole, "refused");
  const sizes = [...stream.keys()].filter(
    (size) => size > 0 && (size < 300 || size % 37 === 0),
  );
  const differing = sizes.filter((size) => resultOf(stream, size) !== whole);
  t.strictSame(differing, []);
});

t.test("a stream that is cut off anywhere is refused", async (t) => {
  const accepted = [...stream.keys()].filter(
    (length) => resultOf(stream.subarray(0, length)) !== "refused",
  );
  t.strictSame(accepted, []);
});

t.test("a byte that has changed is found, or changes nothing", async (t) => {
  const random = createRandom(21);
  const bytes = Buffer.from(stream);
  const accepted = new Set<number>();
  for (const [at, byte] of stream.entries()) {
    const other = byte ^ (1 + random.below(255));
    bytes[at] = other;
    const found = resultOf(bytes);
    bytes[at] = byte;
    if (found === "refused") continue;
    accepted.add(at);
    if (found !== whole) t.fail(`byte ${String(at)}: ${String(other)}`);
  }
  // It then says to be of version 2 or 3.
  t.strictSame(
    [...accepted].filter((at) => at !== VERSION_AT),
    [],
  );
});

const { chmod, mkfile, mkdir, rename, link, unlink, rmdir } = COMMAND;
const raw = (command: number, content: Buffer) =>
  Buffer.concat([
    writeSendStream([BEGIN]),
    sealCommand(command, content),
    writeCommand(END),
  ]);
const attribute = (type: number, length: number, value: string) => {
  const header = Buffer.alloc(4);
  header.writeUInt16LE(type, 0);
  header.writeUInt16LE(length, 2);
  return Buffer.concat([header, Buffer.from(value)]);
};

t.test("commands that lead out of the tree, or to no file", async (t) => {
  const paths = [
    ...["..", "../x", "a/../../x", "a/..", ".", "./a", "a/./b", "/", "/etc/x"],
    ...["a//b", "a/", "a\0b", "\0", "x".repeat(4097), "a/".repeat(2048) + "b"],
  ];
  for (const path of paths) {
    const shown = JSON.stringify(path.slice(0, 20));
    for (const command of [mkfile, mkdir, link, unlink, rmdir, chmod]) {
      const bytes = writeSendStream([BEGIN, aboutPath(command, path), END]);
      t.equal(resultOf(bytes), "refused", `${String(command)} ${shown}`);
    }
    for (const [from, to] of [
      [path, "new"],
      ["old", path],
    ] as const) {
      const bytes = writeSendStream([BEGIN, aboutPath(rename, from, to), END]);
      t.equal(resultOf(bytes), "refused", `rename of ${shown}`);
    }
  }
  for (const command of [mkfile, rename, unlink]) {
    const bytes = writeSendStream([BEGIN, aboutPath(command, "", "x"), END]);
    t.equal(resultOf(bytes), "refused", "the tree itself is not made or moved");
  }
});

t.test("commands that are not whole, or not known", async (t) => {
  const path = attribute(ATTRIBUTE.path, 1, "a");
  for (const [what, bytes] of [
    ["no path", raw(mkfile, Buffer.alloc(0))],
    ["no second path", raw(rename, path)],
    ["half an attribute", raw(chmod, path.subarray(0, 3))],
    ["a type alone", raw(chmod, path.subarray(0, 2))],
    ["a long attribute", raw(chmod, attribute(ATTRIBUTE.path, 2, "a"))],
    ["the longest", raw(chmod, attribute(ATTRIBUTE.path, 0xffff, "a"))],
    ["a byte too much", raw(chmod, Buffer.concat([path, Buffer.alloc(1)]))],
    ["the number 0", raw(0, path)],
    ["the number after the last", raw(27, path)],
    ["the highest number", raw(0xffff, path)],
  ] as const) {
    t.equal(resultOf(bytes), "refused", what);
  }
  const huge = Buffer.concat([writeSendStream([BEGIN]), Buffer.alloc(10)]);
  for (const length of [0xffff_ffff, 0x8000_0000, 17 * 1024 * 1024]) {
    huge.writeUInt32LE(length, huge.length - 10);
    t.throws(() => readCandidates(huge), StreamError, "is not waited for");
  }
});

t.test("commands that do not follow each other", async (t) => {
  const make = aboutPath(mkfile, "a");
  const change = aboutPath(chmod, "a");
  const refused: readonly (readonly [string, readonly WrittenCommand[]])[] = [
    ["no beginning", [make, END]],
    ["two beginnings", [BEGIN, BEGIN, END]],
    ["a beginning in the middle", [BEGIN, make, BEGIN, END]],
    ["no end", [BEGIN, make]],
    ["two ends", [BEGIN, END, END]],
    ["more behind the end", [BEGIN, END, make]],
    ["another stream behind it", [BEGIN, make, END, BEGIN, make, END]],
    ["one name twice", [BEGIN, make, make, END]],
    ["what was removed", [BEGIN, aboutPath(unlink, "a"), change, END]],
    ["what has moved", [BEGIN, aboutPath(rename, "a", "b"), change, END]],
    ["what is in it", [BEGIN, make, aboutPath(chmod, "a/b"), END]],
    ["a directory into itself", [BEGIN, aboutPath(rename, "a", "a/b"), END]],
    ["in what it removes", [BEGIN, aboutPath(rename, "a/b", "a/b/c"), END]],
  ];
  for (const [what, commands] of refused) {
    t.equal(resultOf(writeSendStream(commands)), "refused", what);
  }
  const bytes = writeSendStream([BEGIN, make, END]);
  t.not(resultOf(bytes), "refused");
  const behind = Buffer.concat([bytes, Buffer.from("x")]);
  t.equal(resultOf(behind), "refused", "a byte behind the end");
});

t.test("streams of other versions", async (t) => {
  const commands = [BEGIN, aboutPath(COMMAND.write, "a"), END];
  for (const version of [1, 2, 3]) {
    const bytes = writeSendStream(commands, version);
    t.equal(resultOf(bytes), '[["a",["content"]]]');
  }
  for (const version of [0, 4, 0xffff_ffff]) {
    t.equal(resultOf(writeSendStream(commands, version)), "refused");
  }
  // From version 2 on the data have no length, and are the last.
  const withData = Buffer.concat([
    attribute(ATTRIBUTE.path, 1, "a"),
    Buffer.from([ATTRIBUTE.data, 0]),
    Buffer.alloc(100_000, 0xff),
  ]);
  const bytes = raw(COMMAND.write, withData);
  t.equal(resultOf(bytes), "refused");
  bytes.writeUInt32LE(2, 13);
  t.equal(resultOf(bytes), '[["a",["content"]]]');
});

t.test("a hostile stream takes no longer than its length", async (t) => {
  const count = 10_000;
  const name = (index: number) => `d${String(index)}`;
  const tooDeep = Array.from({ length: count }, (_, index) => [
    aboutPath(mkdir, name(index + 1)),
    aboutPath(rename, name(index), `${name(index + 1)}/${name(index)}`),
  ]).flat();
  // What was deep comes up, and goes on below.
  const fromTheDeep = Array.from({ length: count }, (_, index) =>
    aboutPath(rename, `${name(index)}/x`, name(index + 1)),
  );
  const deepPaths = Array.from({ length: 60 }, (_, index) =>
    aboutPath(chmod, `${name(index)}${"/x".repeat(2040)}`),
  );
  const large = sealCommand(COMMAND.utimes, Buffer.alloc(8 * 1024 * 1024));
  for (const [what, bytes, expected, chunkBytes] of [
    ["ever deeper", [BEGIN, ...tooDeep, END], "refused"],
    ["from ever deeper", [BEGIN, ...fromTheDeep, END], "refused"],
    ["long paths", [BEGIN, ...deepPaths, END], undefined],
    [
      "a large command in small pieces",
      Buffer.concat([writeSendStream([BEGIN]), large, writeCommand(END)]),
      "[]",
      512,
    ],
  ] as const) {
    const stream = Buffer.isBuffer(bytes) ? bytes : writeSendStream(bytes);
    const begun = process.cpuUsage();
    const memory = process.memoryUsage().rss;
    const found = resultOf(stream, chunkBytes);
    const { user, system } = process.cpuUsage(begun);
    const grown = process.memoryUsage().rss - memory;
    t.ok(found === expected || expected === undefined, what);
    const seconds = (user + system) / 1_000_000;
    t.ok(seconds < 5, `${what}: ${seconds.toFixed(2)} s`);
    t.ok(grown < 400 * 1024 ** 2, `${what}: ${String(grown)} bytes`);
  }
});
