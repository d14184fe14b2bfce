import t from "tap";
import { ElfError, formatSegment, parseElf } from "../../../build/slim/elf.ts";
import { dropSections, omitUnused } from "../../../build/slim/omit-unused.ts";
import { slimmingStep } from "../../../build/slim/slim-node.ts";

const PAGE = 0x1000;
const BASE = 0x400000;

/**
 * A program of six pages: one with the headers, four that are read, of which two are blank, and one
 * that is written. The last two are at other places in memory than in the file.
 */
function makeProgram({ flags = 4, room = 7 } = {}): Buffer {
  const bytes = Buffer.alloc(6 * PAGE);
  for (const page of [1, 4, 5])
    bytes.fill(page, page * PAGE, (page + 1) * PAGE);
  bytes.write("\x7fELF\x02\x01\x01", "latin1");
  const segment = (type: number, page: number, pages: number) => ({
    type,
    flags: type === 1 && page === 1 ? flags : 4,
    offset: page * PAGE,
    address: BASE + page * PAGE + (page < 5 ? 0 : 16 * PAGE),
    fileSize: pages * PAGE,
    memorySize: pages * PAGE,
    alignment: PAGE,
  });
  const headers = [
    { ...segment(6, 0, 0), offset: 64, address: BASE + 64 },
    segment(1, 0, 1),
    segment(1, 1, 4),
    { ...segment(1, 5, 1), flags: 6, memorySize: 3 * PAGE },
    segment(4, 5, 1),
  ].map((header) =>
    header.type === 6
      ? { ...header, fileSize: room * 56, memorySize: room * 56 }
      : header,
  );
  Buffer.concat(headers.map(formatSegment)).copy(bytes, 64);
  for (const [offset, value] of [
    [16, 2],
    [18, 62],
    [32, 64],
    [54, 56],
    [56, headers.length],
    [58, 64],
  ] as const)
    bytes.writeUInt16LE(value, offset);
  return bytes;
}

const unused = [{ start: BASE + 2 * PAGE - 1, end: BASE + 4 * PAGE }];
const blank = [{ start: BASE + 2 * PAGE, end: BASE + 4 * PAGE }];

t.test("pages of no use are neither in the file nor in memory", (t) => {
  const bytes = makeProgram();
  bytes[2 * PAGE - 1] = 0;
  const smaller = omitUnused(bytes, unused);
  t.equal(smaller.length, 4 * PAGE);
  const { segments, sections } = parseElf(smaller);
  t.strictSame(sections, []);
  t.strictSame(
    segments.map(({ type, offset, address, fileSize, memorySize }) => [
      type,
      ...[offset, address - BASE, fileSize, memorySize],
    ]),
    [
      [6, 64, 64, 6 * 56, 6 * 56],
      [1, 0, 0, PAGE, PAGE],
      [1, PAGE, PAGE, PAGE, PAGE],
      [1, 2 * PAGE, 4 * PAGE, PAGE, PAGE],
      [1, 3 * PAGE, 21 * PAGE, PAGE, 3 * PAGE],
      [4, 3 * PAGE, 21 * PAGE, PAGE, PAGE],
    ],
  );
  for (const [index, page] of [1, 4, 5].entries())
    t.equal(smaller[(index + 1) * PAGE + 9], page);
  t.end();
});

t.test("the end of a segment goes whole", (t) => {
  const bytes = makeProgram();
  bytes.fill(0, 4 * PAGE, 5 * PAGE);
  const smaller = omitUnused(bytes, [
    { start: BASE + 2 * PAGE, end: BASE + 5 * PAGE },
  ]);
  t.equal(parseElf(smaller).segments.length, 5);
  t.equal(smaller.length, 3 * PAGE);
  t.end();
});

t.test("a program without blank pages loses its sections alone", (t) => {
  t.equal(omitUnused(makeProgram(), []).length, 6 * PAGE);
  t.end();
});

t.test("a program with all of Node has no sections, either", (t) => {
  const whole = dropSections(makeProgram());
  t.equal(whole.length, makeProgram().length);
  t.strictSame(parseElf(whole).sections, []);
  t.end();
});

t.test("a step that fails names itself, and the way without it", async (t) => {
  const cause = new ElfError("no such symbol");
  await t.rejects(
    slimmingStep("ICU's data (slim-icu.ts)", () => {
      throw cause;
    }),
    {
      message: /ICU's data \(slim-icu.ts\)\. "SLIM=0 make build" makes/,
      cause,
    },
  );
});

t.test("what would make a doubtful program is refused", (t) => {
  const withPointer = makeProgram();
  withPointer.writeBigUInt64LE(BigInt(BASE + 2 * PAGE), 64 + 4 * 56 + 16);
  const movedTable = makeProgram();
  movedTable.writeBigUInt64LE(BigInt(BASE + 65), 64 + 16);
  for (const [what, bytes, ranges] of [
    [
      "not blank",
      makeProgram(),
      [{ start: BASE + PAGE, end: BASE + 3 * PAGE }],
    ],
    ["programs write there", makeProgram({ flags: 6 }), blank],
    ["no room for a header", makeProgram({ room: 5 }), blank],
    ["a segment points there", withPointer, blank],
    ["a table that older kernels do not find", movedTable, blank],
    [
      "beyond the segment",
      makeProgram(),
      [{ start: BASE + 2 * PAGE, end: BASE + 9 * PAGE }],
    ],
    ["twice", makeProgram(), [...blank, ...blank]],
  ] as const)
    t.throws(() => omitUnused(bytes, ranges), ElfError, what);
  t.end();
});
