/**
 * All of the bytes as one unsigned number of 64 bits, in the only way that Go writes it; `undefined`
 * where they are none.
 * @see https://pkg.go.dev/encoding/binary#Uvarint
 */
export function readUvarint(bytes: Buffer | undefined): bigint | undefined {
  if (bytes === undefined || bytes.length === 0 || bytes.length > 10) {
    return undefined;
  }
  let value = 0n;
  for (const [index, byte] of bytes.entries()) {
    const isLast = index === bytes.length - 1;
    if (byte < 0x80 !== isLast) return undefined;
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
  }
  const isShortest = bytes.length === 1 || bytes.at(-1) !== 0;
  return isShortest && value < 1n << 64n ? value : undefined;
}

/** As `readUvarint` reads it. */
export function encodeUvarint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}
