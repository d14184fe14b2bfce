import t from "tap";
import {
  ElfError,
  findSection,
  parseElf,
  sectionBytes,
} from "../../../build/slim/elf.ts";
import {
  hashedNames,
  ignoreEnvironment,
} from "../../../build/slim/ignore-environment.ts";
import { makeElf } from "./make-elf.ts";

const HASHES = Object.fromEntries(
  hashedNames.map((name, index) => [name, 0xc0ffee00 + index]),
);

/** A name as V8 keeps it in compiled code. */
function hashed(name: string, hash = HASHES[name] ?? 0): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(hash);
  head.writeUInt32LE(name.length, 4);
  return Buffer.concat([head, Buffer.from(`${name}\0\0`)]);
}

const source = (name: string) =>
  Buffer.from(`if (process.env.${name}) delete process.env.${name};`);
const scripts = (name: string) => [source(name), hashed(name), hashed(name)];
const getenv = (name: string) => [
  hashed(name, 0),
  Buffer.from(`['${name}']\0${name}\0OTHER_${name}\0`),
];

function rodata(...parts: readonly Buffer[]) {
  const content = Buffer.concat([Buffer.alloc(16), ...parts]);
  return parseElf(
    makeElf({ sections: [{ name: ".rodata", address: 0x1000, content }] }),
  );
}

const REST = [
  ...getenv("NODE_REPL_EXTERNAL_MODULE"),
  ...getenv("OPENSSL_CONF"),
];

t.test("names that are read change, with their hashes", async (t) => {
  const elf = rodata(
    ...scripts("NODE_CHANNEL_FD"),
    ...scripts("NODE_UNIQUE_ID"),
    ...REST,
  );
  ignoreEnvironment(elf, HASHES);
  const repl = "NODE_REPL_EXTERNAL_MODULE";
  const openssl = "OPENSSL_CONF";
  const expected = rodata(
    ...scripts("$ODE_CHANNEL_FD"),
    ...scripts("$ODE_UNIQUE_ID"),
    hashed(repl, 0),
    Buffer.from(`['${repl}']\0=ODE_REPL_EXTERNAL_MODULE\0OTHER_${repl}\0`),
    hashed(openssl, 0),
    Buffer.from(`['${openssl}']\0=PENSSL_CONF\0OTHER_${openssl}\0`),
  );
  const content = sectionBytes(elf, findSection(elf, ".rodata"));
  const wanted = sectionBytes(expected, findSection(expected, ".rodata"));
  t.equal(content.toString("latin1"), wanted.toString("latin1"));
});

t.test("what does not stand as it is known to is refused", async (t) => {
  const channel = scripts("NODE_CHANNEL_FD");
  const id = scripts("NODE_UNIQUE_ID");
  for (const [what, ...parts] of [
    ["a name that is absent", ...channel, ...REST],
    ["no compiled code", source("NODE_CHANNEL_FD"), ...id, ...REST],
    ["no source", hashed("NODE_CHANNEL_FD"), ...id, ...REST],
    ["another hash", ...channel, hashed("NODE_CHANNEL_FD", 1), ...id, ...REST],
    ["a name twice for getenv", ...channel, ...id, ...REST, ...REST],
    ["none for getenv", ...channel, ...id, ...getenv("OPENSSL_CONF")],
  ] as const) {
    t.throws(
      () => {
        ignoreEnvironment(rodata(...parts), HASHES);
      },
      ElfError,
      what,
    );
  }
});
