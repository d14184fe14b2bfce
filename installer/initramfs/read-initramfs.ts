import type { Duplex, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import zlib from "node:zlib";

/** How compressed data begins, and what unpacks it. Of other kinds Node has none. */
const UNPACKERS: readonly (readonly [magic: string, make: () => Duplex])[] = [
  ["1f8b", () => zlib.createGunzip()],
  ["28b52ffd", () => zlib.createZstdDecompress()],
];

const CUT_SHORT = "CUT_SHORT";

/** Whether what `readInitramfs` threw is that archives or compressed data end before their end. */
export function isCutShort(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    (error.code === "Z_BUF_ERROR" || error.code === CUT_SHORT)
  );
}

/**
 * Lists the files of an initramfs: archives that follow each other, the last one of which may be
 * compressed (gzip, zstd).
 * @param isWanted tells by a file's path whether its content is read
 * @throws Error where it is none, or is compressed in another way
 * @see https://docs.kernel.org/driver-api/early-userspace/buffer-format.html
 */
export async function readInitramfs(
  source: Readable,
  isWanted: (path: string) => boolean,
): Promise<ArchivedFile[]> {
  const files: ArchivedFile[] = [];
  let last: CpioReader | undefined;
  const open = () => {
    last = createCpioReader(isWanted, (file) => {
      files.push(file);
    });
    return last;
  };
  const read = async (archives: AsyncIterable<Buffer>): Promise<void> => {
    const pieces = archives[Symbol.asyncIterator]();
    /** `undefined` between two archives. */
    let reader: CpioReader | undefined;
    for (
      let next = await pieces.next();
      next.done !== true;
      next = await pieces.next()
    ) {
      let rest: Buffer | undefined = next.value;
      while (rest !== undefined) {
        const unpacker = reader === undefined ? makeUnpacker(rest) : undefined;
        if (unpacker !== undefined) {
          await pipeline(continueWith(rest, pieces), unpacker, read);
          return;
        }
        reader ??= open();
        rest = reader.push(rest);
        if (rest !== undefined) reader = undefined;
      }
    }
  };
  await read(source);
  if (last?.hasEnded() !== true) {
    const error = new Error("it ends before its last archive does");
    throw Object.assign(error, { code: CUT_SHORT });
  }
  return files;
}

async function* continueWith(
  first: Buffer,
  pieces: AsyncIterator<Buffer>,
): AsyncGenerator<Buffer> {
  yield first;
  yield* { [Symbol.asyncIterator]: () => pieces };
}

function makeUnpacker(bytes: Buffer): Duplex | undefined {
  const start = bytes.toString("hex", 0, 4);
  return UNPACKERS.find(([magic]) => start.startsWith(magic))?.[1]();
}

/** A file in an archive. */
export interface ArchivedFile {
  /** Without a slash or `./` at its beginning. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Of those alone that were wanted. */
  readonly content: Buffer | undefined;
}

export interface CpioReader {
  /**
   * Takes the next piece.
   * @returns what is left when the archive has ended, from the first byte that is not zero on;
   *   `undefined` before that
   */
  push(piece: Buffer): Buffer | undefined;
  hasEnded(): boolean;
}

const MAGIC = /^07070[12]$/;

const HEADER_BYTES = 110;

const SIZE_AT = 54;

const NAME_SIZE_AT = 94;

const LAST = "TRAILER!!!";

const MAX_NAME_BYTES = 4096;

/**
 * Reads an archive of the form newc piece by piece; what is not wanted is passed over.
 * @throws Error where it is no such archive
 */
export function createCpioReader(
  isWanted: (path: string) => boolean,
  tell: (file: ArchivedFile) => void,
): CpioReader {
  let pending: Buffer = Buffer.alloc(0);
  let skipped = 0;
  let hasEnded = false;
  return {
    hasEnded: () => hasEnded,
    push: (piece) => {
      pending = pending.length === 0 ? piece : Buffer.concat([pending, piece]);
      while (!hasEnded) {
        const dropped = Math.min(skipped, pending.length);
        pending = pending.subarray(dropped);
        skipped -= dropped;
        const file = skipped > 0 ? undefined : readHeader(pending);
        if (file === undefined) return undefined;
        const { path, sizeBytes, headBytes } = file;
        const wanted = isWanted(path);
        if (wanted && pending.length < headBytes + sizeBytes) return undefined;
        hasEnded = path === LAST;
        if (!hasEnded) {
          const content = wanted
            ? Buffer.from(pending.subarray(headBytes, headBytes + sizeBytes))
            : undefined;
          tell({ path, sizeBytes, content });
        }
        skipped = headBytes + align(sizeBytes);
      }
      const rest = pending.subarray(Math.min(skipped, pending.length));
      const start = rest.findIndex((byte) => byte !== 0);
      return start === -1 ? undefined : rest.subarray(start);
    },
  };
}

function readHeader(
  bytes: Buffer,
): { path: string; sizeBytes: number; headBytes: number } | undefined {
  if (bytes.length >= 6 && !MAGIC.test(bytes.toString("latin1", 0, 6))) {
    throw new Error("it is not a cpio archive in newc format");
  }
  if (bytes.length < HEADER_BYTES) return undefined;
  const numberAt = (at: number) =>
    Number.parseInt(bytes.toString("latin1", at, at + 8), 16);
  const nameBytes = numberAt(NAME_SIZE_AT);
  const sizeBytes = numberAt(SIZE_AT);
  if (!(nameBytes > 0 && nameBytes <= MAX_NAME_BYTES) || !(sizeBytes >= 0)) {
    throw new Error("a header of its cpio archive is damaged");
  }
  const headBytes = align(HEADER_BYTES + nameBytes);
  if (bytes.length < headBytes) return undefined;
  const name = bytes.toString(
    "utf8",
    HEADER_BYTES,
    HEADER_BYTES + nameBytes - 1,
  );
  return { path: name.replace(/^(?:\.?\/)+/, ""), sizeBytes, headBytes };
}

function align(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}
