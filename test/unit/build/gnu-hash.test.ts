import t from "tap";
import { ElfError } from "../../../build/slim/elf.ts";
import { GnuHash, hashName } from "../../../build/slim/gnu-hash.ts";

/** A table of one bucket, of which the first symbol is number 3. */
function makeTable(names: readonly string[]): Buffer {
  const bytes = Buffer.alloc(16 + 8 + 4 + names.length * 4);
  for (const [index, value] of [1, 3, 1, 6].entries())
    bytes.writeUInt32LE(value, index * 4);
  bytes.writeUInt32LE(3, 24);
  for (const [index, name] of names.entries()) {
    const isLast = index === names.length - 1;
    bytes.writeUInt32LE(
      ((hashName(name) & ~1) | Number(isLast)) >>> 0,
      28 + index * 4,
    );
  }
  const table = new GnuHash(bytes);
  for (const name of names) table.rememberName(name);
  return bytes;
}

t.test("hashes are those of the GNU C library", (t) => {
  t.equal(hashName(""), 0x1505);
  t.equal(hashName("printf"), 0x156b2bb8);
  t.equal(hashName("syscall"), 0xbac212a0);
  t.end();
});

t.test("a removed symbol is not found, its neighbours are", (t) => {
  const bytes = makeTable(["malloc", "printf", "syscall"]);
  const table = new GnuHash(bytes);
  t.strictSame(table.find("printf"), [4]);
  table.remove(4);
  t.strictSame(table.find("printf"), []);
  table.remove(5);
  t.strictSame(table.find("malloc"), [3]);
  t.strictSame(table.find("syscall"), [], "the last one ends the chain still");
  table.forgetNames();
  t.strictSame(table.find("malloc"), []);
  table.rememberName("malloc");
  t.strictSame(table.find("malloc"), [3]);
  t.end();
});

t.test("a table that is cut off is refused", (t) => {
  const bytes = makeTable(["malloc"]);
  for (const length of [0, 15, 16, 27])
    t.throws(() => new GnuHash(bytes.subarray(0, length)), ElfError);
  bytes.writeUInt32LE(0xffffffff, 8);
  t.throws(() => new GnuHash(bytes), ElfError);
  t.end();
});
