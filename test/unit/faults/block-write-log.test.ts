import { readFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { parseBlockWriteLog } from "../../../fixtures/block-write-log.ts";

const captured = path.join(
  import.meta.dirname,
  "../../../fixtures/captured/qemu-7.2.22-blklogwrites",
);
const log = readFileSync(path.join(captured, "log"));
const requests = JSON.parse(
  readFileSync(path.join(captured, "requests.json"), "utf8"),
) as string[];

const SECTOR = 512;
/** Where the header of the first entry is, and of its fields. */
const FIRST = SECTOR;
const FIELD = { sector: 0, size: 8, flags: 16, note: 24 };

/** The record with one of its numbers replaced. */
function withNumber(at: number, value: bigint): Buffer {
  const changed = Buffer.from(log);
  changed.writeBigUInt64LE(value, at);
  return changed;
}

t.test("the record has each request in its order", async (t) => {
  const units: Record<string, number> = { "": 1, k: 1024 };
  const expected = requests.map((request) => {
    const [, pattern, offset, offsetUnit = "", size, sizeUnit = ""] =
      /^\w+(?: -P (0x\d\d))? (\d+)(k?) (\d+)(k?)$/.exec(request) ?? [];
    const where = Number(offset) * (units[offsetUnit] ?? 0);
    const bytes = Number(size) * (units[sizeUnit] ?? 0);
    if (request === "flush") return { kind: "flush" };
    if (pattern === undefined)
      return { kind: "discard", offset: where, size: bytes };
    const data = Buffer.alloc(bytes, Number(pattern));
    return { kind: "write", offset: where, data, isDurable: false };
  });
  t.strictSame(
    parseBlockWriteLog(log),
    [...expected, { kind: "flush" }],
    "and QEMU's own flush at its end",
  );
});

t.test("what QEMU has not counted yet is read, too", async (t) => {
  const whole = parseBlockWriteLog(log);
  const uncounted = withNumber(16, 0n);
  t.strictSame(parseBlockWriteLog(uncounted), whole);
  t.strictSame(
    parseBlockWriteLog(Buffer.concat([uncounted, Buffer.alloc(4 * SECTOR)])),
    whole,
    "up to what is unused",
  );
  t.strictSame(
    parseBlockWriteLog(uncounted.subarray(0, FIRST + 2 * SECTOR)),
    [],
    "up to an entry that is not whole",
  );
});

t.test("durable writes, flushes with data and marks are told", async (t) => {
  const firstOf = (changed: Buffer) => parseBlockWriteLog(changed).slice(0, 2);
  const flags = (value: bigint) => withNumber(FIRST + FIELD.flags, value);
  t.match(firstOf(flags(2n)), [{ kind: "write", isDurable: true }]);
  t.match(firstOf(flags(1n)), [{ kind: "flush" }, { kind: "write" }]);
  const mark = flags(8n);
  mark.writeBigUInt64LE(4n, FIRST + FIELD.note);
  mark.write("here", FIRST + 32);
  t.strictSame(firstOf(mark)[0], { kind: "mark", text: "here" });
});

t.test("a damaged record is refused", async (t) => {
  const huge = 2n ** 63n;
  for (const [what, changed, message] of [
    ["empty", Buffer.alloc(0), /not a record/],
    ["of another kind", withNumber(0, 1n), /not a record/],
    ["of another version", withNumber(8, 2n), /version 2/],
    ["with no sectors", withNumber(24, 0n), /sectors have 0 bytes/],
    ["with odd sectors", withNumber(24, 513n), /sectors have 513 bytes/],
    ["with more entries", withNumber(16, 8n), /ends at entry 7 of 8/],
    ["cut short", log.subarray(0, 3 * SECTOR), /longer than the rest/],
    ["unknown flags", withNumber(FIRST + FIELD.flags, 16n), /flags 16/],
    ["far away", withNumber(FIRST + FIELD.sector, huge), /the sector/],
    ["huge", withNumber(FIRST + FIELD.size, huge), /the size/],
    ["too large", withNumber(FIRST + FIELD.size, 99n), /longer than the rest/],
    ["a long note", withNumber(FIRST + FIELD.note, 481n), /a note of 481/],
  ] as const) {
    t.throws(() => parseBlockWriteLog(changed), { message }, what);
  }
  for (let length = 0; length < log.length; length += 101) {
    t.throws(() => parseBlockWriteLog(log.subarray(0, length)), Error);
  }
});
