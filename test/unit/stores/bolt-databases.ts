import { createHash } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import type { Test } from "tap";
import { BoltError, type BoltFile } from "../../../runtime/stores/bolt/meta.ts";
import type { BoltBucket } from "../../../runtime/stores/bolt/bolt.ts";

const CAPTURED = path.join(
  import.meta.dirname,
  "../../../fixtures/captured/bbolt-1.3.6",
);

/** As fixtures/captured/bbolt-1.3.6/make.go lists a key. */
export interface ListedKey {
  readonly key: string;
  readonly value?: string;
  readonly bytes: number;
  readonly bucket?: readonly ListedKey[];
}

/** A database that bbolt wrote, with what bbolt itself reads in it. */
export interface Database {
  readonly name: string;
  readonly bytes: Buffer;
  readonly pageSize: number;
  readonly last: readonly ListedKey[];
  readonly former: string;
  readonly torn: readonly {
    readonly what: string;
    readonly patches: readonly { readonly at: number; readonly hex: string }[];
    readonly reads: "last" | "former" | "error";
  }[];
}

export function readDatabases(): Database[] {
  return globSync("*.db.gz", { cwd: CAPTURED })
    .sort()
    .map((file) => {
      const name = file.replace(/\.db\.gz$/, "");
      const read = (end: string) =>
        gunzipSync(readFileSync(path.join(CAPTURED, `${name}${end}`)));
      const listing = JSON.parse(read(".json.gz").toString("utf8")) as Omit<
        Database,
        "name" | "bytes"
      >;
      return { ...listing, name, bytes: read(".db.gz") };
    });
}

/** A file that is in memory. */
export function asFile(bytes: Buffer): BoltFile {
  return {
    sizeBytes: () => bytes.length,
    read: (into, position) => {
      bytes.copy(into, 0, position, position + into.length);
    },
  };
}

/** All that is in a bucket, as make.go lists it. */
export function listBucket(bucket: BoltBucket): ListedKey[] {
  const keys: ListedKey[] = [];
  for (const entry of bucket.entries()) {
    const key = entry.key.toString("hex");
    if (entry.kind === "bucket") {
      const inner = listBucket(entry.bucket);
      // As Go writes it.
      keys.push({ key, bytes: 0, ...(inner.length > 0 && { bucket: inner }) });
    } else {
      const { value } = entry;
      const text =
        value.length > 32
          ? createHash("sha256").update(value).digest("hex")
          : value.toString("hex");
      keys.push({ key, value: text, bytes: value.length });
    }
  }
  return keys;
}

/** As make.go makes it of a listing. */
export function hashListing(keys: readonly ListedKey[]): string {
  return createHash("sha256").update(JSON.stringify(keys)).digest("hex");
}

/** Fails with a `BoltError` of exactly that message, or of one like that. */
export function refuses(
  t: Test,
  work: () => unknown,
  message: RegExp | string,
): void {
  try {
    work();
    t.fail("was believed");
  } catch (error) {
    if (!(error instanceof BoltError)) throw error;
    if (typeof message === "string") t.equal(error.message, message);
    else t.match(error.message, message);
  }
}
