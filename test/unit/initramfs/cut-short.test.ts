import { Readable } from "node:stream";
import { gzipSync, zstdCompressSync } from "node:zlib";
import t from "tap";
import { makeCpio } from "../../../fixtures/boot-files.ts";
import {
  isCutShort,
  readInitramfs,
} from "../../../installer/initramfs/read-initramfs.ts";

const archive = makeCpio({
  "usr/bin/dockroot": "x".repeat(5000),
  init: "#!/bin/sh\n",
});

/** @returns how many files it has, or whether it is cut short */
async function read(bytes: Buffer): Promise<number | "cut short" | "none"> {
  try {
    const files = await readInitramfs(Readable.from([bytes]), () => false);
    return files.length;
  } catch (error) {
    return isCutShort(error) ? "cut short" : "none";
  }
}

for (const [what, bytes, count] of [
  ["an archive", archive, 2],
  ["one compressed by gzip", gzipSync(archive), 2],
  ["one compressed by zstd", zstdCompressSync(archive), 2],
  ["two", Buffer.concat([archive, gzipSync(archive)]), 4],
  ["one with zeros behind it", Buffer.concat([archive, Buffer.alloc(512)]), 2],
] as const) {
  t.test(`${what} is whole, or cut short`, async (t) => {
    t.equal(await read(bytes), count);
    const half = Math.floor(bytes.length / 2);
    for (const length of [0, 1, 5, 20, half]) {
      const cut = bytes.subarray(0, length);
      t.equal(await read(cut), "cut short", String(length));
    }
  });
}

t.test("what is no archive is not cut short", async (t) => {
  t.equal(await read(Buffer.from("an initramfs")), "none");
  t.equal(await read(Buffer.from("fd377a585a0000", "hex")), "none", "xz");
});
