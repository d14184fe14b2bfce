import t from "tap";
import { hasFileTypes } from "../../../installer/system/formats/xfs.ts";

/** As mkfs.xfs 6.1.0 writes it, but for what is passed over. */
function superblock(version: number, features2: number): Buffer {
  const bytes = Buffer.alloc(512);
  bytes.write("XFSB");
  bytes.writeUInt16BE(version, 100);
  bytes.writeUInt32BE(features2, 200);
  return bytes;
}

t.test("whether an xfs has ftype=1", (t) => {
  // mkfs.xfs -m crc=0 -n ftype=0, crc=0 with ftype=1, and crc=1, which always has it.
  t.equal(hasFileTypes(superblock(0xb4a4, 0x8a)), false);
  t.equal(hasFileTypes(superblock(0xb4a4, 0x28a)), true);
  t.equal(hasFileTypes(superblock(0xb4a5, 0x18a)), true);
  t.equal(hasFileTypes(Buffer.alloc(512)), undefined);
  t.equal(hasFileTypes(Buffer.from("XFSB")), undefined, "cut off");
  t.end();
});
