import t from "tap";
import {
  encodeUvarint,
  readUvarint,
} from "../../../runtime/stores/formats/containerd-images.ts";

t.test("numbers are read as Go writes them, and in no other way", (t) => {
  for (const [value, bytes] of [
    [0n, [0]],
    [1n, [1]],
    [127n, [0x7f]],
    [128n, [0x80, 1]],
    [300n, [0xac, 2]],
    [2n ** 63n, [...Array<number>(9).fill(0x80), 1]],
    [2n ** 64n - 1n, [...Array<number>(9).fill(0xff), 1]],
  ] as const) {
    t.equal(readUvarint(Buffer.from(bytes)), value);
    t.strictSame(encodeUvarint(value), Buffer.from(bytes));
  }
  for (const bytes of [
    [],
    [0x80],
    [1, 1],
    [0x81, 0],
    [0x80, 0x80, 0],
    [...Array<number>(9).fill(0xff), 2],
    Array<number>(10).fill(0x80),
    [...Array<number>(10).fill(0x80), 1],
  ]) {
    t.equal(readUvarint(Buffer.from(bytes)), undefined, bytes.join());
  }
  t.equal(readUvarint(undefined), undefined);
  t.end();
});
