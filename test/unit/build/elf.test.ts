import { readFileSync } from "node:fs";
import t from "tap";
import {
  ElfError,
  findSection,
  findSymbol,
  formatSegment,
  objectBytes,
  parseElf,
  sectionBytes,
} from "../../../build/slim/elf.ts";
import { makeElf } from "./make-elf.ts";

const sample = makeElf({
  machine: 183,
  sections: [
    { name: ".rodata", address: 0x1000, content: Buffer.from("0123456789") },
  ],
  symbols: [
    { name: "digits", address: 0x1002, size: 3 },
    { name: "beyond", address: 0x1008, size: 3 },
    { name: "twice", address: 0x1000, size: 1 },
    { name: "twice", address: 0x1001, size: 1 },
  ],
});

/** The sample with one number changed. */
function broken(offset: number, value: number, bytes = 8): Buffer {
  const copy = Buffer.from(sample);
  if (bytes === 2) copy.writeUInt16LE(value, offset);
  else copy.writeBigUInt64LE(BigInt(value), offset);
  return copy;
}

t.test("an object is found by its symbol", (t) => {
  const elf = parseElf(sample);
  const bytes = objectBytes(elf, ".rodata", findSymbol(elf, /^dig/));
  t.equal(bytes.toString(), "234");
  t.equal(sectionBytes(elf, findSection(elf, ".rodata")).length, 10);
  t.end();
});

t.test("what is absent, ambiguous or elsewhere is refused", (t) => {
  const elf = parseElf(sample);
  t.throws(() => findSymbol(elf, /^none$/), ElfError);
  t.throws(() => findSymbol(elf, /^twice$/), ElfError);
  t.throws(() => findSection(elf, ".text"), ElfError);
  const beyond = findSymbol(elf, /^beyond$/);
  t.throws(() => objectBytes(elf, ".rodata", beyond), ElfError);
  t.end();
});

t.test("what is no executable, or a broken one, is refused", (t) => {
  for (let length = 0; length < sample.length; length += 11)
    t.throws(() => parseElf(sample.subarray(0, length)), ElfError);
  for (const [what, bytes] of Object.entries({
    "another class": broken(4, 0x0101, 2),
    "another machine": broken(18, 3, 2),
    "an object file": broken(16, 1, 2),
    "segments out of reach": broken(32, 0x7fffffff),
    "sections at an absurd place": broken(40, Number.MAX_SAFE_INTEGER),
    "an absurd number of segments": broken(56, 0xffff, 2),
    "an absurd number of sections": broken(60, 0xffff, 2),
    "headers of another size": broken(54, 32, 2),
    "a segment out of reach": broken(64 + 32, 0x7fffffff),
  }))
    t.throws(() => parseElf(bytes), ElfError, what);
  t.end();
});

t.test("a program header is written as it was read", (t) => {
  const node = readFileSync(process.execPath);
  const { segments, segmentsOffset } = parseElf(node);
  const written = Buffer.concat(segments.map(formatSegment));
  t.ok(node.subarray(segmentsOffset).indexOf(written) === 0);
  t.end();
});
