import type { Duplex, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import zlib from "node:zlib";
import {
  createCpioReader,
  type ArchivedFile,
  type CpioReader,
} from "./cpio-reader.ts";

/** How compressed data begins, and what unpacks it. Of other kinds Node has none. */
const UNPACKERS: readonly (readonly [magic: string, make: () => Duplex])[] = [
  ["1f8b", () => zlib.createGunzip()],
  ["28b52ffd", () => zlib.createZstdDecompress()],
];

/** Whether what `readInitramfs` threw is that compressed data end before their end. */
export function isCutShort(error: unknown): boolean {
  return (
    error instanceof Error && "code" in error && error.code === "Z_BUF_ERROR"
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
  const open = () =>
    createCpioReader(isWanted, (file) => {
      files.push(file);
    });
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
