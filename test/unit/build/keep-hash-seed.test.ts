import t from "tap";
import {
  ElfError,
  findSection,
  parseElf,
  sectionBytes,
} from "../../../build/slim/elf.ts";
import { keepHashSeed } from "../../../build/slim/keep-hash-seed.ts";
import { makeElf } from "./make-elf.ts";

const VERSION = "13.6.233.17-node.53";

/** The beginning of a snapshot, as V8 writes it. */
function makeHeader(contexts: number, rehashability: number): Buffer {
  const header = Buffer.alloc(80);
  [contexts, rehashability, 0xc0ffee, 0xfeed].forEach((value, index) =>
    header.writeUInt32LE(value, 4 * index),
  );
  header.write(VERSION, 16, "latin1");
  return header;
}

function elfWith(...parts: readonly Buffer[]) {
  const content = Buffer.concat(parts);
  return parseElf(
    makeElf({ sections: [{ name: ".rodata", address: 0x1000, content }] }),
  );
}

const noise = Buffer.from(`${VERSION}\0and other text, ${VERSION}`);

t.test("each snapshot keeps its seed, and nothing else changes", async (t) => {
  const elf = elfWith(noise, makeHeader(4, 1), noise, makeHeader(1, 1));
  const before = Buffer.from(elf.bytes);
  keepHashSeed(elf, VERSION);
  const after = sectionBytes(elf, findSection(elf, ".rodata"));
  t.ok(
    after.equals(
      Buffer.concat([noise, makeHeader(4, 0), noise, makeHeader(1, 0)]),
    ),
  );
  const changed = before.filter((byte, index) => byte !== elf.bytes[index]);
  t.equal(changed.length, 2);
});

t.test("what is no snapshot that can be told is refused", async (t) => {
  for (const [what, ...parts] of [
    ["none", noise],
    ["cut short", makeHeader(4, 1).subarray(8)],
    ["no contexts", makeHeader(0, 1)],
    ["absurdly many contexts", makeHeader(0x10000, 1)],
    ["not to be hashed anew as it is", makeHeader(4, 0)],
    ["one good, one odd", makeHeader(4, 1), makeHeader(4, 7)],
  ] as const) {
    t.throws(
      () => {
        keepHashSeed(elfWith(...parts), VERSION);
      },
      ElfError,
      what,
    );
  }
  t.throws(
    () => {
      keepHashSeed(elfWith(makeHeader(4, 1)), "13.6.1");
    },
    ElfError,
    "of another version",
  );
});
