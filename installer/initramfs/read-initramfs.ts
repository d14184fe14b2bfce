import { Readable, type Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import zlib from "node:zlib";
import { createCpioReader, type ArchivedFile } from "./cpio-reader.ts";

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
  await readArchives(source, isWanted, files);
  return files;
}

async function readArchives(
  source: Readable,
  isWanted: (path: string) => boolean,
  files: ArchivedFile[],
): Promise<void> {
  const open = () =>
    createCpioReader(isWanted, (file) => {
      files.push(file);
    });
  let reader = open();
  let isBetween = true;
  const pieces = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  for (
    let next = await pieces.next();
    next.done !== true;
    next = await pieces.next()
  ) {
    let rest: Buffer | undefined = next.value;
    while (rest !== undefined) {
      const unpack = isBetween ? unpackerOf(rest) : undefined;
      if (unpack !== undefined) {
        await unpackRest(unpack(), rest, pieces, isWanted, files);
        return;
      }
      isBetween = false;
      rest = reader.push(rest);
      if (rest !== undefined) {
        reader = open();
        isBetween = true;
      }
    }
  }
}

async function unpackRest(
  unpacker: Duplex,
  first: Buffer,
  pieces: AsyncIterator<Buffer>,
  isWanted: (path: string) => boolean,
  files: ArchivedFile[],
): Promise<void> {
  const whole = async function* () {
    yield first;
    yield* { [Symbol.asyncIterator]: () => pieces };
  };
  await pipeline(Readable.from(whole()), unpacker, (unpacked) =>
    readArchives(
      Readable.from(unpacked as AsyncIterable<Buffer>),
      isWanted,
      files,
    ),
  );
}

function unpackerOf(bytes: Buffer): (() => Duplex) | undefined {
  const start = bytes.toString("hex", 0, 4);
  return UNPACKERS.find(([magic]) => start.startsWith(magic))?.[1];
}
