/** What is in a page, one after the other. */
export type Part =
  | { readonly key: string; readonly value: string | Buffer }
  /** A bucket that begins on a page. */
  | { readonly key: string; readonly root: number }
  /** A bucket in its value. */
  | { readonly key: string; readonly inline: readonly Part[] }
  /** In a branch. */
  | { readonly key: string; readonly child: number };

export const PAGE = 1024;

/**
 * A database as bbolt would write it, or as it never would.
 * @param pages from number 2 on; one that is longer takes as many as it needs
 */
export function writeDatabase(
  pages: readonly (readonly Part[])[],
  root = 2,
): Buffer {
  const parts: Buffer[] = [];
  for (const page of pages) {
    const number = 2 + Buffer.concat(parts).length / PAGE;
    const body = writePage(number, page);
    const padded = Buffer.alloc(Math.ceil(body.length / PAGE) * PAGE);
    body.copy(padded);
    padded.writeUInt32LE(padded.length / PAGE - 1, 12);
    parts.push(padded);
  }
  const highWater = 2 + Buffer.concat(parts).length / PAGE;
  return Buffer.concat([
    writeMeta(0, { root, highWater }),
    writeMeta(1, { root, highWater }),
    ...parts,
  ]);
}

export function writeMeta(
  transaction: number,
  { root, highWater }: { root: number; highWater: number },
  pageBytes = PAGE,
): Buffer {
  const page = Buffer.alloc(pageBytes);
  page.writeUInt16LE(4, 8);
  page.writeUInt32LE(0xed0cdaed, 16);
  page.writeUInt32LE(2, 20);
  page.writeUInt32LE(pageBytes, 24);
  page.writeBigUInt64LE(BigInt(root), 32);
  page.writeBigUInt64LE(0xffffffffffffffffn, 48);
  page.writeBigUInt64LE(BigInt(highWater), 56);
  page.writeBigUInt64LE(BigInt(transaction), 64);
  page.writeBigUInt64LE(fnv1a(page.subarray(16, 72)), 72);
  return page;
}

function fnv1a(bytes: Buffer): bigint {
  let sum = 0xcbf29ce484222325n;
  for (const byte of bytes) {
    sum = BigInt.asUintN(64, (sum ^ BigInt(byte)) * 0x100000001b3n);
  }
  return sum;
}

function writePage(number: number, parts: readonly Part[]): Buffer {
  const isBranch = parts.some((part) => "child" in part);
  const head = Buffer.alloc(16 + 16 * parts.length);
  head.writeBigUInt64LE(BigInt(number), 0);
  head.writeUInt16LE(isBranch ? 1 : 2, 8);
  head.writeUInt16LE(parts.length, 10);
  const bodies: Buffer[] = [];
  let end = head.length;
  for (const [index, part] of parts.entries()) {
    const at = 16 + 16 * index;
    const key = Buffer.from(part.key);
    const value = valueOf(part);
    if ("child" in part) {
      head.writeUInt32LE(end - at, at);
      head.writeUInt32LE(key.length, at + 4);
      head.writeBigUInt64LE(BigInt(part.child), at + 8);
    } else {
      head.writeUInt32LE("value" in part ? 0 : 1, at);
      head.writeUInt32LE(end - at, at + 4);
      head.writeUInt32LE(key.length, at + 8);
      head.writeUInt32LE(value.length, at + 12);
    }
    bodies.push(key, value);
    end += key.length + value.length;
  }
  return Buffer.concat([head, ...bodies]);
}

function valueOf(part: Part): Buffer {
  if ("child" in part) return Buffer.alloc(0);
  if ("value" in part) return Buffer.from(part.value);
  const header = Buffer.alloc(16);
  if ("inline" in part) {
    return Buffer.concat([header, writePage(0, part.inline)]);
  }
  header.writeBigUInt64LE(BigInt(part.root));
  return header;
}
