import t from "tap";
import { findFunctionsWithHandlers } from "../../../build/slim/eh-frame.ts";
import { ElfError } from "../../../build/slim/elf.ts";
import { planReplacements } from "../../../build/slim/slim-builtins.ts";
import { isForAddons } from "../../../build/slim/slim-exports.ts";

t.test("addons' symbols go, the C and C++ libraries' stay", (t) => {
  for (const name of [
    ...["SSL_new", "napi_create_object", "uv_run", "_ZN2v87Isolate3NewEv"],
    ...["_ZTVN4node11EnvironmentE", "_ZNK6icu_786Locale7getNameEv", "crc32"],
  ])
    t.ok(isForAddons(name), name);
  for (const name of [
    ...["_ZNSt6vectorIiSaIiEED1Ev", "_ZTISt9exception", "_Znwm", "_ZdlPv"],
    ...[
      "_ZN9__gnu_cxx13stdio_filebufIcSt11char_traitsIcEED1Ev",
      "_end",
      "main",
    ],
    ...[
      "_IO_stdin_used",
      "__cxa_throw",
      "_ZTVN10__cxxabiv117__class_type_infoE",
    ],
    ...["_ZNSolsEi", "_ZGVNSt7collateIcE2idE", "_ZSt4cerr"],
  ])
    t.notOk(isForAddons(name), name);
  t.end();
});

const ADDRESS = 0x1000;

/** A record of .eh_frame: its length, the number that tells its kind, and what follows. */
function record(kind: number, ...rest: readonly number[]): Buffer {
  const bytes = Buffer.alloc(8 + rest.length);
  bytes.writeUInt32LE(4 + rest.length, 0);
  bytes.writeUInt32LE(kind, 4);
  bytes.set(rest, 8);
  return bytes;
}

/** "zPLR", with pointers of four bytes that are relative to their place. */
const common = record(
  ...([0, 1, 0x7a, 0x50, 0x4c, 0x52, 0] as const),
  ...([1, 0x78, 16, 7, 0x1b, 9, 9, 9, 9, 0x1b, 0x1b] as const),
);
const end = Buffer.alloc(4);
const withHandlers = record(
  common.length + 4,
  ...[0x40, 0, 0, 0, 0x10, 0, 0, 0, 4, 0x80, 0, 0, 0],
);
const withoutHandlers = record(
  common.length + withHandlers.length + 4,
  ...[0x50, 0, 0, 0, 0x10, 0, 0, 0, 4, 0, 0, 0, 0],
);

t.test("functions that can catch exceptions are found", (t) => {
  t.strictSame(
    findFunctionsWithHandlers(
      Buffer.concat([common, withHandlers, withoutHandlers, end]),
      ADDRESS,
    ),
    [ADDRESS + common.length + 8 + 0x40],
  );
  t.end();
});

t.test("tables of another kind are refused", (t) => {
  const otherPointers = Buffer.from(common);
  otherPointers[common.length - 1] = 0;
  for (const [what, parts] of Object.entries({
    "no end": [common, withHandlers],
    "cut off": [common, withHandlers.subarray(0, 12)],
    "no common part": [withHandlers, end],
    "other pointers": [otherPointers, end],
    "an absurd length": [Buffer.alloc(16, 0xff)],
  }))
    t.throws(
      () => findFunctionsWithHandlers(Buffer.concat(parts), ADDRESS),
      ElfError,
      what,
    );
  t.end();
});

t.test("no module goes that a boot of Node needs", (t) => {
  const ids = Array.from(
    { length: 20 },
    (_, n) => `internal/quic/${String(n)}`,
  );
  const sources = Object.fromEntries(
    [...ids, "fs", "internal/deps/undici/undici"].map((id) => [id, "source"]),
  );
  const node = { sources, loaded: ["fs"], cacheStart: "", cacheFlags: 0 };
  t.notOk(planReplacements(node).has("fs"));
  t.equal(planReplacements(node).size, 21);
  t.throws(() => planReplacements({ ...node, loaded: ["internal/quic/3"] }));
  t.throws(() => planReplacements({ ...node, sources: { fs: "source" } }));
  t.end();
});
