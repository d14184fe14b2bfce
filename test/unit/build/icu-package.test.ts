import t from "tap";
import {
  formatIcuPackage,
  IcuPackageError,
  parseIcuPackage,
} from "../../../build/slim/icu-package.ts";
import { isNeeded } from "../../../build/slim/slim-icu.ts";

function header(format: string): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.writeUInt16LE(32, 0);
  bytes.writeUInt16LE(0x27da, 2);
  bytes.writeUInt16LE(20, 4);
  bytes[10] = 2;
  bytes.write(format, 12, "latin1");
  bytes[16] = 1;
  return bytes;
}

function item(name: string, content: string) {
  return {
    name,
    bytes: Buffer.concat([header("ResB"), Buffer.from(content)]),
  };
}

const items = [
  item("icudt1l/de.res", "deutsch"),
  item("icudt1l/en.res", "english"),
  item("icudt1l/root.res", "last"),
];
const sample = { header: header("CmnD"), items };

/** A package in which one number was changed. */
function broken(offset: number, value: number): Buffer {
  const bytes = formatIcuPackage(sample);
  bytes.writeUInt32LE(value, offset);
  return bytes;
}

t.test("a package is read as it was written", (t) => {
  const { items: read } = parseIcuPackage(formatIcuPackage(sample));
  t.strictSame(
    read.map(({ name }) => name),
    items.map(({ name }) => name),
  );
  for (const [index, { bytes }] of items.entries()) {
    const found = read[index]?.bytes;
    // What follows an item, up to the next, is padding.
    t.ok(found?.subarray(0, bytes.length).equals(bytes));
    t.equal((found?.byteOffset ?? 1) % 4, 0);
  }
  t.end();
});

t.test("a package without some items is a package", (t) => {
  const { items: read } = parseIcuPackage(
    formatIcuPackage({ ...sample, items: items.slice(1) }),
  );
  t.strictSame(
    read.map(({ name }) => name),
    ["icudt1l/en.res", "icudt1l/root.res"],
  );
  t.end();
});

t.test("what is no package is refused", (t) => {
  const whole = formatIcuPackage(sample);
  for (let length = 0; length < whole.length - 4; length += 7)
    t.throws(() => parseIcuPackage(whole.subarray(0, length)), IcuPackageError);
  for (const [what, bytes] of Object.entries({
    "an absurd count": broken(32, 0xffffffff),
    "a name out of reach": broken(36, 0xfffffff0),
    "data out of reach": broken(40 + 16, 0x10000000),
    "data within the table": broken(40, 16),
    "data before the former item's": broken(40 + 8, 64),
    "an item without a header": broken(112, 0),
    "another format": Buffer.concat([header("ResB"), whole.subarray(32)]),
    "names that are not sorted": formatIcuPackage({
      ...sample,
      items: items.toReversed(),
    }),
    "a name twice": formatIcuPackage({
      ...sample,
      items: items.flatMap((one) => [one, one]),
    }),
    "a name that is none": formatIcuPackage({
      ...sample,
      items: [item("", "nothing")],
    }),
  }))
    t.throws(() => parseIcuPackage(bytes), IcuPackageError, what);
  t.end();
});

t.test("English stays, and what all locales share", (t) => {
  for (const name of [
    ...["en.res", "en_GB.res", "root.res", "pool.res", "res_index.res"],
    ...["units.res", "curr/supplementalData.res", "coll/ucadata.icu"],
    ...["zone/tzdbNames.res", "brkitr/word.brk", "nfkc.nrm", "lang/en_001.res"],
  ])
    t.ok(isNeeded(`icudt78l/${name}`), name);
  for (const name of [
    ...["de.res", "zh_Hant_HK.res", "curr/gsw.res", "coll/de__PHONEBOOK.res"],
    ...["es_419.res", "coll/es_.res", "ibm-943_P15A-2003.cnv", "unames.icu"],
    ...["brkitr/thaidict.dict", "translit/root.res", "rfc3491.spp"],
  ])
    t.notOk(isNeeded(`icudt78l/${name}`), name);
  t.end();
});
