import t, { type Test } from "tap";
import {
  openBolt,
  type BoltBucket,
} from "../../../runtime/stores/bolt/bolt.ts";
import {
  asFile,
  hashListing,
  listBucket,
  readDatabases,
  refuses,
} from "./bolt-databases.ts";

/** Here bbolt 1.3.6 takes the newer: before 1.3.7, a checksum of zero was as good as a right one. */
const NO_CHECKSUM = "the newer cut off before its checksum";

const databases = readDatabases();

for (const database of databases) {
  const { name, bytes } = database;
  const { root } = openBolt(asFile(bytes));

  t.test(`${name}: all keys are what bbolt reads`, (t) => {
    t.strictSame(listBucket(root), database.last);
    t.end();
  });

  t.test(`${name}: each key is found by its name`, (t) => {
    checkKeys(t, root);
    t.end();
  });

  t.test(`${name}: spoilt meta pages are read as bbolt reads them`, (t) => {
    for (const { what, patches, reads } of database.torn) {
      const spoilt = Buffer.from(bytes);
      for (const { at, hex } of patches) spoilt.write(hex, at, "hex");
      if (reads === "error") {
        refuses(t, () => openBolt(asFile(spoilt)), /^neither of its two meta/);
        continue;
      }
      const listing = listBucket(openBolt(asFile(spoilt)).root);
      const expected =
        reads === "last" && what !== NO_CHECKSUM
          ? hashListing(database.last)
          : database.former;
      t.equal(hashListing(listing), expected, what);
    }
    t.end();
  });
}

t.test("a key in a place for another kind is an error", (t) => {
  const root = openBolt(asFile(named("buckets-4k"))).root;
  refuses(
    t,
    () => root.get("inline"),
    /^"inline" is a bucket where a value belongs/,
  );
  const inline = root.bucket("inline");
  refuses(
    t,
    () => inline?.bucket("no value"),
    /^"no value" is a value where a bucket belongs/,
  );
  t.end();
});

t.test("who stops gets no more keys", (t) => {
  const root = openBolt(asFile(named("deep-1k"))).root;
  const keys: string[] = [];
  for (const { key } of root.bucket("many")?.entries("000410") ?? []) {
    keys.push(key.toString().slice(0, 6));
    if (keys.length === 3) break;
  }
  t.strictSame(keys, ["000410", "000411", "000412"]);
  t.end();
});

/** In every bucket: get, bucket and each from there find each key, and nothing beside it. */
function checkKeys(t: Test, bucket: BoltBucket): void {
  const keys = [...bucket.entries()];
  let wrong = 0;
  for (const [index, entry] of keys.entries()) {
    const { key } = entry;
    const next = firstFrom(bucket, key);
    const after = firstFrom(bucket, Buffer.concat([key, Buffer.of(0)]));
    const isFound =
      entry.kind === "value"
        ? bucket.get(key)?.equals(entry.value)
        : hashListing(listBucket(bucket.bucket(key) ?? entry.bucket)) ===
          hashListing(listBucket(entry.bucket));
    if (
      isFound !== true ||
      next?.equals(key) !== true ||
      after?.toString("hex") !== keys[index + 1]?.key.toString("hex") ||
      bucket.get(Buffer.concat([key, Buffer.of(0)])) !== undefined ||
      bucket.bucket(Buffer.concat([key, Buffer.of(0)])) !== undefined
    ) {
      wrong += 1;
    }
    if (entry.kind === "bucket") checkKeys(t, entry.bucket);
  }
  if (wrong > 0) t.fail(`${String(wrong)} keys of ${String(keys.length)}`);
  t.equal(bucket.get("\xff\xff\xff"), undefined);
}

function firstFrom(bucket: BoltBucket, from: Buffer): Buffer | undefined {
  return bucket.entries(from).next().value?.key;
}

function named(name: string): Buffer {
  const found = databases.find((database) => database.name === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found.bytes;
}
